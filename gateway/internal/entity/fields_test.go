package entity_test

import (
	"regexp"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
)

// fieldUses has the fields of Kong's entities; those of plugins are checked in
// their packages.
var fieldUses = entitytest.Uses{
	"certificates.id":             "../upstream: ref.ID",
	"certificates.cert":           "../upstream: pair.Cert",
	"certificates.key":            "../upstream: pair.Key",
	"certificates.cert_alt":       "refused",
	"certificates.key_alt":        "refused",
	"certificates.snis":           "../store: texts(certificate[\"snis\"])",
	"snis.id":                     "kept",
	"snis.name":                   "../store: n.Name",
	"snis.certificate":            "../store: n.Certificate",
	"ca_certificates.id":          "../proxy: c.ID",
	"ca_certificates.cert":        "../upstream: from.CACertificates[id]",
	"ca_certificates.cert_digest": "kept", // unique: the same certificate is stored once

	"services.id":                 "../proxy: Service.ID",
	"services.name":               "../plugin: Service.Name",
	"services.retries":            "../proxy: to.service.Retries",
	"services.protocol":           "../upstream: s.Protocol",
	"services.host":               "../upstream: s.Host",
	"services.port":               "../upstream: s.Port",
	"services.path":               "../proxy: to.service.Path",
	"services.connect_timeout":    "../proxy: .ConnectTimeout",
	"services.write_timeout":      "../proxy: .WriteTimeout",
	"services.read_timeout":       "../proxy: .ReadTimeout",
	"services.client_certificate": "../upstream: s.ClientCertificate",
	"services.tls_verify":         "../upstream: s.TLSVerify",
	"services.tls_verify_depth":   "../upstream: s.TLSVerifyDepth",
	"services.ca_certificates":    "../upstream: s.CACertificates",
	"services.enabled":            "../proxy: .Enabled",

	"routes.id":                         "../route: r.ID",
	"routes.name":                       "../route: r.Name",
	"routes.protocols":                  "../route: r.Protocols",
	"routes.methods":                    "../route: r.Methods",
	"routes.hosts":                      "../route: r.Hosts",
	"routes.paths":                      "../route: r.Paths",
	"routes.headers":                    "../route: r.Headers",
	"routes.snis":                       "../route: r.SNIs",
	"routes.sources":                    "kept", // null: see familyFields
	"routes.sources.ip":                 "kept",
	"routes.sources.port":               "kept",
	"routes.destinations":               "kept",
	"routes.destinations.ip":            "kept",
	"routes.destinations.port":          "kept",
	"routes.https_redirect_status_code": "../route: .HTTPSRedirectStatusCode",
	"routes.regex_priority":             "../route: .RegexPriority",
	"routes.strip_path":                 "../route: route.StripPath",
	"routes.path_handling":              "../route: route.PathHandling",
	"routes.preserve_host":              "../proxy: .PreserveHost",
	"routes.request_buffering":          "../proxy: Route.RequestBuffering",
	"routes.response_buffering":         "../proxy: to.route.ResponseBuffering",
	"routes.service":                    "../proxy: .Service",

	"consumers.id":        "../plugin: .Consumer.ID",
	"consumers.username":  "../plugin: .Username",
	"consumers.custom_id": "../plugin: .CustomID",

	"upstreams.id":                        "kept",
	"upstreams.name":                      "../upstream: .Name",
	"upstreams.algorithm":                 "../upstream: u.Algorithm",
	"upstreams.hash_on":                   "../upstream: .HashOn",
	"upstreams.hash_fallback":             "../upstream: .HashFallback",
	"upstreams.hash_on_header":            "../upstream: .HashOnHeader",
	"upstreams.hash_fallback_header":      "../upstream: .HashFallbackHeader",
	"upstreams.hash_on_cookie":            "../upstream: .HashOnCookie",
	"upstreams.hash_on_cookie_path":       "../upstream: .HashOnCookiePath",
	"upstreams.hash_on_query_arg":         "../upstream: .HashOnQueryArg",
	"upstreams.hash_fallback_query_arg":   "../upstream: .HashFallbackQueryArg",
	"upstreams.hash_on_uri_capture":       "../upstream: .HashOnURICapture",
	"upstreams.hash_fallback_uri_capture": "../upstream: .HashFallbackURICapture",
	"upstreams.slots":                     "any: weights are kept to exactly, which is finer than any number of slots",
	"upstreams.host_header":               "../upstream: .HostHeader",
	"upstreams.use_srv_name":              "../upstream: .UseSRVName",
	"upstreams.client_certificate":        "../upstream: u.ClientCertificate",

	"upstreams.healthchecks":                                 "../upstream: u.Healthchecks",
	"upstreams.healthchecks.threshold":                       "../upstream: .Threshold",
	"upstreams.healthchecks.active":                          "../upstream: h.Active",
	"upstreams.healthchecks.active.type":                     "../upstream: a.Type",
	"upstreams.healthchecks.active.timeout":                  "../upstream: a.Timeout",
	"upstreams.healthchecks.active.concurrency":              "../upstream: a.Concurrency",
	"upstreams.healthchecks.active.http_path":                "../upstream: a.HTTPPath",
	"upstreams.healthchecks.active.https_sni":                "../upstream: a.HTTPSSNI",
	"upstreams.healthchecks.active.https_verify_certificate": "../upstream: a.HTTPSVerifyCertificate",
	"upstreams.healthchecks.active.headers":                  "../upstream: a.Headers",
	"upstreams.healthchecks.active.healthy":                  "../upstream: a.Healthy",
	"upstreams.healthchecks.active.healthy.interval":         "../upstream: a.Healthy.Interval",
	"upstreams.healthchecks.active.healthy.http_statuses":    "../upstream: a.Healthy.HTTPStatuses",
	"upstreams.healthchecks.active.healthy.successes":        "../upstream: a.Healthy.Successes",
	"upstreams.healthchecks.active.unhealthy":                "../upstream: a.Unhealthy",
	"upstreams.healthchecks.active.unhealthy.interval":       "../upstream: a.Unhealthy.Interval",
	"upstreams.healthchecks.active.unhealthy.http_statuses":  "../upstream: a.Unhealthy.HTTPStatuses",
	"upstreams.healthchecks.active.unhealthy.tcp_failures":   "../upstream: a.Unhealthy.TCPFailures",
	"upstreams.healthchecks.active.unhealthy.timeouts":       "../upstream: a.Unhealthy.Timeouts",
	"upstreams.healthchecks.active.unhealthy.http_failures":  "../upstream: a.Unhealthy.HTTPFailures",
	"upstreams.healthchecks.passive":                         "../upstream: h.Passive",
	"upstreams.healthchecks.passive.type":                    "any: http and https are one thing to what counts answers",
	"upstreams.healthchecks.passive.healthy":                 "../upstream: passive.Healthy",
	"upstreams.healthchecks.passive.healthy.http_statuses":   "../upstream: passive.Healthy.HTTPStatuses",
	"upstreams.healthchecks.passive.healthy.successes":       "../upstream: passive.Healthy.Successes",
	"upstreams.healthchecks.passive.unhealthy":               "../upstream: passive.Unhealthy",
	"upstreams.healthchecks.passive.unhealthy.http_statuses": "../upstream: passive.Unhealthy.HTTPStatuses",
	"upstreams.healthchecks.passive.unhealthy.tcp_failures":  "../upstream: passive.Unhealthy.TCPFailures",
	"upstreams.healthchecks.passive.unhealthy.timeouts":      "../upstream: passive.Unhealthy.Timeouts",
	"upstreams.healthchecks.passive.unhealthy.http_failures": "../upstream: passive.Unhealthy.HTTPFailures",

	"targets.id":       "kept",
	"targets.upstream": "../proxy: .Upstream",
	"targets.target":   "../upstream: .Target",
	"targets.weight":   "../upstream: .Weight",

	"plugins.id":            "../plugin: p.ID",
	"plugins.name":          "../plugin: p.Name",
	"plugins.instance_name": "kept", // names the plugin in paths
	"plugins.route":         "../plugin: e.Route",
	"plugins.service":       "../plugin: e.Service",
	"plugins.consumer":      "../plugin: .Consumer",
	"plugins.config":        "../plugin: c.Config",
	"plugins.protocols":     "any: it must contain http, which all requests are",
	"plugins.enabled":       "../plugin: .Enabled",

	// No plugin of the gateway reads keys: they are there for those who ask the Admin API for them.
	"key_sets.id": "kept", "key_sets.name": "kept",
	"keys.id": "kept", "keys.set": "kept", "keys.name": "kept", "keys.kid": "kept", "keys.jwk": "kept", "keys.pem": "kept",
	"keys.pem.private_key": "kept", "keys.pem.public_key": "kept",

	// Of every entity that has them.
	"tags":       "../store: tags",
	"created_at": "kept",
	"updated_at": "kept",
}

var shared = regexp.MustCompile(`^[a-z_]+\.(tags|created_at|updated_at)$`)

func TestEveryFieldIsUsedOrRefused(t *testing.T) {
	fields := map[string][]entity.Field{}
	for _, s := range entity.Core().Schemas() {
		fields[s.Name] = s.Fields
	}
	fieldUses.Check(t, fields, func(path string) string {
		if m := shared.FindStringSubmatch(path); m != nil {
			return m[1]
		}
		return path
	})
}
