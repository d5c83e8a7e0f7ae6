package entity

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// fieldUses says of every field of every schema which code does what it says:
// a folder below gateway/internal and words of its sources, each of which must
// stand there as a whole (of plugins both the name that is decoded and the use of
// what it is decoded into). Three kinds of field have no such code:
//
//	refused   the schema takes one value, the one that is true
//	kept      it is for the clients of the Admin API alone
//	any       whatever it says is so, for the reason given
//
// A new field needs a row, and the row needs the code.
var fieldUses = map[string]string{
	"certificates.id":             "upstream: ref.ID",
	"certificates.cert":           "upstream: pair.Cert",
	"certificates.key":            "upstream: pair.Key",
	"certificates.cert_alt":       "refused",
	"certificates.key_alt":        "refused",
	"certificates.snis":           "store: texts(certificate[\"snis\"])",
	"snis.id":                     "kept",
	"snis.name":                   "store: n.Name",
	"snis.certificate":            "store: n.Certificate",
	"ca_certificates.id":          "proxy: c.ID",
	"ca_certificates.cert":        "upstream: from.CACertificates[id]",
	"ca_certificates.cert_digest": "kept", // unique: the same certificate is stored once

	"services.id":                 "proxy: Service.ID",
	"services.name":               "plugin: Service.Name",
	"services.retries":            "proxy: s.Retries",
	"services.protocol":           "upstream: s.Protocol",
	"services.host":               "upstream: s.Host",
	"services.port":               "upstream: s.Port",
	"services.path":               "proxy: Service.Path",
	"services.connect_timeout":    "proxy: .ConnectTimeout",
	"services.write_timeout":      "proxy: .WriteTimeout",
	"services.read_timeout":       "proxy: .ReadTimeout",
	"services.client_certificate": "upstream: s.ClientCertificate",
	"services.tls_verify":         "upstream: s.TLSVerify",
	"services.tls_verify_depth":   "upstream: s.TLSVerifyDepth",
	"services.ca_certificates":    "upstream: s.CACertificates",
	"services.enabled":            "proxy: .Enabled",

	"routes.id":                         "route: r.ID",
	"routes.name":                       "route: r.Name",
	"routes.protocols":                  "route: r.Protocols",
	"routes.methods":                    "route: r.Methods",
	"routes.hosts":                      "route: r.Hosts",
	"routes.paths":                      "route: r.Paths",
	"routes.headers":                    "route: r.Headers",
	"routes.snis":                       "route: r.SNIs",
	"routes.sources":                    "kept", // null: see familyFields
	"routes.sources.ip":                 "kept",
	"routes.sources.port":               "kept",
	"routes.destinations":               "kept",
	"routes.destinations.ip":            "kept",
	"routes.destinations.port":          "kept",
	"routes.https_redirect_status_code": "route: .HTTPSRedirectStatusCode",
	"routes.regex_priority":             "route: .RegexPriority",
	"routes.strip_path":                 "route: route.StripPath",
	"routes.path_handling":              "route: route.PathHandling",
	"routes.preserve_host":              "proxy: .PreserveHost",
	"routes.request_buffering":          "proxy: Route.RequestBuffering",
	"routes.response_buffering":         "proxy: Route.ResponseBuffering",
	"routes.service":                    "proxy: .Service",

	"consumers.id":        "plugin: .Consumer.ID",
	"consumers.username":  "plugin: .Username",
	"consumers.custom_id": "plugin: .CustomID",

	"keyauth_credentials.id":       "plugin: ID",
	"keyauth_credentials.consumer": "plugin: .Consumer",
	"keyauth_credentials.key":      "plugin: .Key",
	"keyauth_credentials.ttl":      "plugin: .ExpiresAt",

	"upstreams.id":                        "kept",
	"upstreams.name":                      "upstream: .Name",
	"upstreams.algorithm":                 "upstream: u.Algorithm",
	"upstreams.hash_on":                   "upstream: .HashOn",
	"upstreams.hash_fallback":             "upstream: .HashFallback",
	"upstreams.hash_on_header":            "upstream: .HashOnHeader",
	"upstreams.hash_fallback_header":      "upstream: .HashFallbackHeader",
	"upstreams.hash_on_cookie":            "upstream: .HashOnCookie",
	"upstreams.hash_on_cookie_path":       "upstream: .HashOnCookiePath",
	"upstreams.hash_on_query_arg":         "upstream: .HashOnQueryArg",
	"upstreams.hash_fallback_query_arg":   "upstream: .HashFallbackQueryArg",
	"upstreams.hash_on_uri_capture":       "upstream: .HashOnURICapture",
	"upstreams.hash_fallback_uri_capture": "upstream: .HashFallbackURICapture",
	"upstreams.slots":                     "any: weights are kept to exactly, which is finer than any number of slots",
	"upstreams.host_header":               "upstream: .HostHeader",
	"upstreams.client_certificate":        "upstream: u.ClientCertificate",
	"upstreams.use_srv_name":              "upstream: .UseSRVName",

	"upstreams.healthchecks":                                 "upstream: u.Healthchecks",
	"upstreams.healthchecks.threshold":                       "upstream: .Threshold",
	"upstreams.healthchecks.active":                          "upstream: h.Active",
	"upstreams.healthchecks.active.type":                     "upstream: a.Type",
	"upstreams.healthchecks.active.timeout":                  "upstream: a.Timeout",
	"upstreams.healthchecks.active.concurrency":              "upstream: a.Concurrency",
	"upstreams.healthchecks.active.http_path":                "upstream: a.HTTPPath",
	"upstreams.healthchecks.active.https_sni":                "upstream: a.HTTPSSNI",
	"upstreams.healthchecks.active.https_verify_certificate": "upstream: a.HTTPSVerifyCertificate",
	"upstreams.healthchecks.active.headers":                  "upstream: a.Headers",
	"upstreams.healthchecks.active.healthy":                  "upstream: a.Healthy",
	"upstreams.healthchecks.active.healthy.interval":         "upstream: a.Healthy.Interval",
	"upstreams.healthchecks.active.healthy.http_statuses":    "upstream: a.Healthy.HTTPStatuses",
	"upstreams.healthchecks.active.healthy.successes":        "upstream: a.Healthy.Successes",
	"upstreams.healthchecks.active.unhealthy":                "upstream: a.Unhealthy",
	"upstreams.healthchecks.active.unhealthy.interval":       "upstream: a.Unhealthy.Interval",
	"upstreams.healthchecks.active.unhealthy.http_statuses":  "upstream: a.Unhealthy.HTTPStatuses",
	"upstreams.healthchecks.active.unhealthy.tcp_failures":   "upstream: a.Unhealthy.TCPFailures",
	"upstreams.healthchecks.active.unhealthy.timeouts":       "upstream: a.Unhealthy.Timeouts",
	"upstreams.healthchecks.active.unhealthy.http_failures":  "upstream: a.Unhealthy.HTTPFailures",
	"upstreams.healthchecks.passive":                         "upstream: h.Passive",
	"upstreams.healthchecks.passive.type":                    "any: http and https are one thing to what counts answers",
	"upstreams.healthchecks.passive.healthy":                 "upstream: passive.Healthy",
	"upstreams.healthchecks.passive.healthy.http_statuses":   "upstream: passive.Healthy.HTTPStatuses",
	"upstreams.healthchecks.passive.healthy.successes":       "upstream: passive.Healthy.Successes",
	"upstreams.healthchecks.passive.unhealthy":               "upstream: passive.Unhealthy",
	"upstreams.healthchecks.passive.unhealthy.http_statuses": "upstream: passive.Unhealthy.HTTPStatuses",
	"upstreams.healthchecks.passive.unhealthy.tcp_failures":  "upstream: passive.Unhealthy.TCPFailures",
	"upstreams.healthchecks.passive.unhealthy.timeouts":      "upstream: passive.Unhealthy.Timeouts",
	"upstreams.healthchecks.passive.unhealthy.http_failures": "upstream: passive.Unhealthy.HTTPFailures",

	"targets.id":       "kept",
	"targets.upstream": "proxy: .Upstream",
	"targets.target":   "upstream: .Target",
	"targets.weight":   "upstream: .Weight",

	"plugins.id":            "plugin: p.ID",
	"plugins.name":          "plugin: p.Name",
	"plugins.instance_name": "kept", // names the plugin in paths
	"plugins.route":         "plugin: e.Route",
	"plugins.service":       "plugin: e.Service",
	"plugins.consumer":      "plugin: .Consumer",
	"plugins.config":        "plugin: p.Config",
	"plugins.protocols":     "any: it must contain http, which all requests are",
	"plugins.enabled":       "plugin: .Enabled",

	"key-auth.key_names":        `plugin: "key_names" + .KeyNames`,
	"key-auth.hide_credentials": `plugin: "hide_credentials" + .HideCredentials`,
	"key-auth.anonymous":        `plugin: "anonymous" + .Anonymous`,
	"key-auth.key_in_header":    `plugin: "key_in_header" + .KeyInHeader`,
	"key-auth.key_in_query":     `plugin: "key_in_query" + .KeyInQuery`,
	"key-auth.key_in_body":      `plugin: "key_in_body" + .KeyInBody`,
	"key-auth.run_on_preflight": `plugin: "run_on_preflight" + .RunOnPreflight`,

	"prometheus.per_consumer":            `plugin: "per_consumer" + .PerConsumer`,
	"prometheus.status_code_metrics":     `plugin: "status_code_metrics" + .StatusCodes`,
	"prometheus.latency_metrics":         `plugin: "latency_metrics" + .Latency`,
	"prometheus.bandwidth_metrics":       `plugin: "bandwidth_metrics" + .Bandwidth`,
	"prometheus.upstream_health_metrics": `plugin: "upstream_health_metrics" + .UpstreamHost`,

	"proxy-cache.response_code":                   `plugin: "response_code" + .ResponseCode`,
	"proxy-cache.request_method":                  `plugin: "request_method" + .RequestMethod`,
	"proxy-cache.content_type":                    `plugin: "content_type" + .ContentType`,
	"proxy-cache.cache_ttl":                       `plugin: "cache_ttl" + .CacheTTL`,
	"proxy-cache.strategy":                        `plugin: "strategy" + .Strategy`,
	"proxy-cache.cache_control":                   `plugin: "cache_control" + .CacheControl`,
	"proxy-cache.ignore_uri_case":                 `plugin: "ignore_uri_case" + .IgnoreURICase`,
	"proxy-cache.storage_ttl":                     `plugin: "storage_ttl" + .StorageTTL`,
	"proxy-cache.memory":                          "kept",
	"proxy-cache.memory.dictionary_name":          "refused",
	"proxy-cache.vary_query_params":               `plugin: "vary_query_params" + .VaryQueryParams`,
	"proxy-cache.vary_headers":                    `plugin: "vary_headers" + .VaryHeaders`,
	"proxy-cache.vary_consumer":                   `plugin: "vary_consumer" + .VaryConsumer`,
	"proxy-cache.response_headers":                `plugin: "response_headers" + .ResponseHeaders`,
	"proxy-cache.response_headers.age":            `plugin: "age" + .ResponseHeaders.Age`,
	"proxy-cache.response_headers.X-Cache-Status": `plugin: "X-Cache-Status" + .ResponseHeaders.Status`,
	"proxy-cache.response_headers.X-Cache-Key":    `plugin: "X-Cache-Key" + .ResponseHeaders.Key`,

	"rate-limiting.second":              "plugin: c.Second",
	"rate-limiting.minute":              "plugin: c.Minute",
	"rate-limiting.hour":                "plugin: c.Hour",
	"rate-limiting.day":                 "plugin: c.Day",
	"rate-limiting.month":               "plugin: c.Month",
	"rate-limiting.year":                "plugin: c.Year",
	"rate-limiting.limit_by":            `plugin: "limit_by" + .LimitBy`,
	"rate-limiting.header_name":         `plugin: "header_name" + .HeaderName`,
	"rate-limiting.path":                `plugin: "path" + .Path`,
	"rate-limiting.policy":              `plugin: "policy" + .Policy`,
	"rate-limiting.fault_tolerant":      `plugin: "fault_tolerant" + .FaultTolerant`,
	"rate-limiting.hide_client_headers": `plugin: "hide_client_headers" + .HideClientHeaders`,
	"rate-limiting.error_code":          `plugin: "error_code" + .ErrorCode`,
	"rate-limiting.error_message":       `plugin: "error_message" + .ErrorMessage`,
	"rate-limiting.sync_rate":           `plugin: "sync_rate" + .SyncRate`,

	"rate-limiting-advanced.identifier":             `plugin: "identifier" + .Identifier`,
	"rate-limiting-advanced.window_size":            `plugin: "window_size" + .WindowSize`,
	"rate-limiting-advanced.window_type":            `plugin: "window_type" + .WindowType`,
	"rate-limiting-advanced.limit":                  `plugin: "limit" + .Limit`,
	"rate-limiting-advanced.sync_rate":              `plugin: "sync_rate" + .SyncRate`,
	"rate-limiting-advanced.namespace":              `plugin: "namespace" + .Namespace`,
	"rate-limiting-advanced.strategy":               `plugin: "strategy" + .Strategy`,
	"rate-limiting-advanced.dictionary_name":        "refused",
	"rate-limiting-advanced.hide_client_headers":    `plugin: "hide_client_headers" + .HideClientHeaders`,
	"rate-limiting-advanced.retry_after_jitter_max": `plugin: "retry_after_jitter_max" + .JitterMax`,
	"rate-limiting-advanced.header_name":            `plugin: "header_name" + .HeaderName`,
	"rate-limiting-advanced.path":                   `plugin: "path" + .Path`,
	"rate-limiting-advanced.disable_penalty":        "refused",
	"rate-limiting-advanced.error_code":             `plugin: "error_code" + .ErrorCode`,
	"rate-limiting-advanced.error_message":          `plugin: "error_message" + .ErrorMessage`,

	// Of every plugin that has a Redis, and of rate-limiting's flat spelling.
	"redis":             `plugin: "redis" + .Redis`,
	"redis.host":        `plugin: "host" + .Host`,
	"redis.port":        `plugin: "port" + .Port`,
	"redis.timeout":     `plugin: "timeout" + .Timeout`,
	"redis.username":    `plugin: "username" + .Username`,
	"redis.password":    `plugin: "password" + .Password`,
	"redis.database":    `plugin: "database" + .Database`,
	"redis.ssl":         `plugin: "ssl" + .SSL`,
	"redis.ssl_verify":  `plugin: "ssl_verify" + .SSLVerify`,
	"redis.server_name": `plugin: "server_name" + .ServerName`,

	// Of every entity that has them.
	"tags":       "store: tags",
	"created_at": "kept",
	"updated_at": "kept",
}

// shared finds the row of a field that several schemas have.
var shared = regexp.MustCompile(`^(?:[a-z_]+\.(tags|created_at|updated_at)|(?:proxy-cache|rate-limiting|rate-limiting-advanced)\.(redis(?:\.[a-z_]+)?))$`)

func rowOf(path string, f *Field) string {
	if f.Means != nil {
		return strings.Join(f.Means, ".")
	}
	if m := shared.FindStringSubmatch(path); m != nil {
		return m[1] + m[2]
	}
	if path == "routes.created_at" {
		return "created_at"
	}
	return path
}

func eachField(prefix string, fields []Field, do func(path string, f *Field)) {
	for i := range fields {
		f := &fields[i]
		path := prefix + "." + f.Name
		do(path, f)
		eachField(path, f.Fields, do)
		if f.Elements != nil {
			eachField(path, f.Elements.Fields, do)
		}
	}
}

func TestEveryFieldIsUsedOrRefused(t *testing.T) {
	code := map[string]string{}
	used := map[string]bool{}
	check := func(path string, f *Field) {
		row := rowOf(path, f)
		use, ok := fieldUses[row]
		if !ok {
			t.Errorf("%s has no row in fieldUses: say which code does what it says, or let the schema refuse it", path)
			return
		}
		used[row] = true
		place, word, isCode := strings.Cut(use, ": ")
		switch {
		case place == "any" || use == "kept":
		case use == "refused":
			if f.Only == nil {
				t.Errorf("%s: the schema takes any value", path)
			}
		case !isCode:
			t.Errorf("%s: row %q is of no kind", path, use)
		default:
			if _, read := code[place]; !read {
				code[place] = sources(t, filepath.Join("..", place))
			}
			for w := range strings.SplitSeq(word, " + ") {
				if !mentions(code[place], w) {
					t.Errorf("%s: no source in gateway/internal/%s mentions %s", path, place, w)
				}
			}
		}
	}
	for _, s := range Schemas() {
		eachField(s.Name, s.Fields, check)
	}
	for _, name := range PluginNames() {
		s, _ := PluginSchema(name)
		eachField(name, s.Fields, check)
	}
	for _, row := range slices.Sorted(maps.Keys(fieldUses)) {
		if !used[row] {
			t.Errorf("fieldUses has %s, which no schema has", row)
		}
	}
}

// mentions looks for a word that is not a part of a longer one.
func mentions(text, word string) bool {
	for rest := text; ; {
		i := strings.Index(rest, word)
		if i < 0 {
			return false
		}
		before, after := "", rest[i+len(word):]
		if i > 0 {
			before = rest[i-1 : i]
		}
		if !partOfWord(before, word[:1]) && (after == "" || !partOfWord(after[:1], word[len(word)-1:])) {
			return true
		}
		rest = after
	}
}

func partOfWord(next, edge string) bool {
	letter := regexp.MustCompile(`^\w$`)
	return letter.MatchString(next) && letter.MatchString(edge)
}

// sources is the text of a folder's Go files, without tests and comments.
func sources(t *testing.T, dir string) string {
	t.Helper()
	var text strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read a source: %w", err)
		}
		for line := range strings.Lines(string(body)) {
			line, _, _ = strings.Cut(line, "//")
			text.WriteString(line + "\n")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// TestASoleValueIsTheDefault: what is refused otherwise must not be what a
// client that says nothing asks for.
func TestASoleValueIsTheDefault(t *testing.T) {
	check := func(path string, f *Field) {
		if f.Only != nil && (f.Only.Value != f.Default || f.Only.Why == "") {
			t.Errorf("%s: the default is %v, and only %v is taken (%q)", path, f.Default, f.Only.Value, f.Only.Why)
		}
	}
	for _, s := range append(slices.Clone(Schemas()), pluginTable...) {
		eachField(s.Name, s.Fields, check)
	}
}
