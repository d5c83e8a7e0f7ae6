// Package all lists the plugins of the gateway.
package all

import (
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/acl"
	"github.com/gatelab/gatelab/gateway/internal/plugin/adaptiveconcurrency"
	"github.com/gatelab/gatelab/gateway/internal/plugin/airatelimiting"
	"github.com/gatelab/gatelab/gateway/internal/plugin/basicauth"
	"github.com/gatelab/gatelab/gateway/internal/plugin/botdetection"
	"github.com/gatelab/gatelab/gateway/internal/plugin/canary"
	"github.com/gatelab/gatelab/gateway/internal/plugin/concurrencylimiting"
	"github.com/gatelab/gatelab/gateway/internal/plugin/correlationid"
	"github.com/gatelab/gatelab/gateway/internal/plugin/cors"
	"github.com/gatelab/gatelab/gateway/internal/plugin/datadog"
	"github.com/gatelab/gatelab/gateway/internal/plugin/filelog"
	"github.com/gatelab/gatelab/gateway/internal/plugin/grpcweb"
	"github.com/gatelab/gatelab/gateway/internal/plugin/hmacauth"
	"github.com/gatelab/gatelab/gateway/internal/plugin/httplog"
	"github.com/gatelab/gatelab/gateway/internal/plugin/iprestriction"
	"github.com/gatelab/gatelab/gateway/internal/plugin/jwt"
	"github.com/gatelab/gatelab/gateway/internal/plugin/keyauth"
	"github.com/gatelab/gatelab/gateway/internal/plugin/mirror"
	"github.com/gatelab/gatelab/gateway/internal/plugin/mtlsauth"
	"github.com/gatelab/gatelab/gateway/internal/plugin/oauth2"
	"github.com/gatelab/gatelab/gateway/internal/plugin/openidbearer"
	"github.com/gatelab/gatelab/gateway/internal/plugin/opentelemetry"
	"github.com/gatelab/gatelab/gateway/internal/plugin/prometheus"
	"github.com/gatelab/gatelab/gateway/internal/plugin/proxycache"
	"github.com/gatelab/gatelab/gateway/internal/plugin/ratelimiting"
	"github.com/gatelab/gatelab/gateway/internal/plugin/requestsize"
	"github.com/gatelab/gatelab/gateway/internal/plugin/requesttermination"
	"github.com/gatelab/gatelab/gateway/internal/plugin/requesttransformer"
	"github.com/gatelab/gatelab/gateway/internal/plugin/responseratelimiting"
	"github.com/gatelab/gatelab/gateway/internal/plugin/responsetransformer"
	"github.com/gatelab/gatelab/gateway/internal/plugin/statsd"
	"github.com/gatelab/gatelab/gateway/internal/plugin/syslog"
	"github.com/gatelab/gatelab/gateway/internal/plugin/tcplog"
	"github.com/gatelab/gatelab/gateway/internal/plugin/udplog"
	"github.com/gatelab/gatelab/gateway/internal/plugin/zipkin"
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
		concurrencylimiting.Definition(),
		adaptiveconcurrency.Definition(),
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
		mtlsauth.Definition(),
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
