// Package all lists the plugins of the gateway.
package all

import (
	"gatelab/gateway/internal/plugin"
	"gatelab/gateway/internal/plugin/acl"
	"gatelab/gateway/internal/plugin/airatelimiting"
	"gatelab/gateway/internal/plugin/basicauth"
	"gatelab/gateway/internal/plugin/botdetection"
	"gatelab/gateway/internal/plugin/canary"
	"gatelab/gateway/internal/plugin/correlationid"
	"gatelab/gateway/internal/plugin/cors"
	"gatelab/gateway/internal/plugin/datadog"
	"gatelab/gateway/internal/plugin/filelog"
	"gatelab/gateway/internal/plugin/grpcweb"
	"gatelab/gateway/internal/plugin/hmacauth"
	"gatelab/gateway/internal/plugin/httplog"
	"gatelab/gateway/internal/plugin/iprestriction"
	"gatelab/gateway/internal/plugin/jwt"
	"gatelab/gateway/internal/plugin/keyauth"
	"gatelab/gateway/internal/plugin/mirror"
	"gatelab/gateway/internal/plugin/oauth2"
	"gatelab/gateway/internal/plugin/openidbearer"
	"gatelab/gateway/internal/plugin/opentelemetry"
	"gatelab/gateway/internal/plugin/prometheus"
	"gatelab/gateway/internal/plugin/proxycache"
	"gatelab/gateway/internal/plugin/ratelimiting"
	"gatelab/gateway/internal/plugin/requestsize"
	"gatelab/gateway/internal/plugin/requesttermination"
	"gatelab/gateway/internal/plugin/requesttransformer"
	"gatelab/gateway/internal/plugin/responseratelimiting"
	"gatelab/gateway/internal/plugin/responsetransformer"
	"gatelab/gateway/internal/plugin/statsd"
	"gatelab/gateway/internal/plugin/syslog"
	"gatelab/gateway/internal/plugin/tcplog"
	"gatelab/gateway/internal/plugin/udplog"
	"gatelab/gateway/internal/plugin/zipkin"
)

// Definitions declares all plugins.
func Definitions() []plugin.Definition {
	return []plugin.Definition{
		keyauth.Definition(),
		jwt.Definition(),
		basicauth.Definition(),
		oauth2.Definition(),
		openidbearer.Definition(),
		acl.Definition(),
		ratelimiting.Definition(),
		ratelimiting.Advanced(),
		airatelimiting.Definition(),
		responseratelimiting.Definition(),
		proxycache.Definition(),
		prometheus.Definition(),
		requesttransformer.Definition(),
		responsetransformer.Definition(),
		iprestriction.Definition(),
		cors.Definition(),
		correlationid.Definition(),
		requestsize.Definition(),
		requesttermination.Definition(),
		botdetection.Definition(),
		filelog.Definition(),
		httplog.Definition(),
		tcplog.Definition(),
		udplog.Definition(),
		syslog.Definition(),
		statsd.Definition(),
		datadog.Definition(),
		hmacauth.Definition(),
		opentelemetry.Definition(),
		grpcweb.Definition(),
		zipkin.Definition(),
		canary.Definition(),
		mirror.Definition(),
	}
}

// Plugins returns the set of all plugins. Their definitions hold what lasts as
// long as the process, so a process needs one set.
func Plugins() *plugin.Set { return plugin.NewSet(Definitions()...) }
