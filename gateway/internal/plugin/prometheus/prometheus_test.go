package prometheus

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

func TestPrometheusSpeaksKongsNames(t *testing.T) {
	reg := prometheus.NewRegistry()
	all := map[string]any{"per_consumer": true, "status_code_metrics": true, "latency_metrics": true, "bandwidth_metrics": true}
	definition := Definition()
	configured := func(config map[string]any) plugin.Plugin {
		p, err := definition.New(&entity.Plugin{Name: "prometheus", Config: config}, &plugin.Deps{Registerer: reg})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	log := func(p plugin.Plugin, x *plugin.Exchange, status int) {
		x.Ctx = &fasthttp.RequestCtx{}
		x.Ctx.SetStatusCode(status)
		x.Service = &entity.Service{ID: "s", Name: "svc"}
		x.Route = &entity.Route{ID: "r"}
		x.Started = time.Now()
		p.(plugin.LogPhase).Log(x)
	}
	first := configured(all)
	log(first, &plugin.Exchange{Proxied: true, Consumer: &entity.Consumer{Username: "alice"}, Received: 5, Sent: 100,
		UpstreamLatency: time.Millisecond}, 200)
	log(first, &plugin.Exchange{Limited: true, Sent: 40}, 429)
	log(configured(all), &plugin.Exchange{Proxied: true, Consumer: &entity.Consumer{Username: "alice"}, Sent: 100},
		200) // after a new configuration
	log(configured(nil), &plugin.Exchange{Proxied: true}, 200) // with every flag off

	want := `
# HELP kong_bandwidth_bytes Bytes of body in (ingress) and out (egress).
# TYPE kong_bandwidth_bytes counter
kong_bandwidth_bytes{consumer="",direction="egress",route="r",service="svc"} 40
kong_bandwidth_bytes{consumer="",direction="ingress",route="r",service="svc"} 0
kong_bandwidth_bytes{consumer="alice",direction="egress",route="r",service="svc"} 200
kong_bandwidth_bytes{consumer="alice",direction="ingress",route="r",service="svc"} 5
# HELP kong_http_requests_total HTTP status codes per consumer, service and route.
# TYPE kong_http_requests_total counter
kong_http_requests_total{code="200",consumer="alice",route="r",service="svc",source="service"} 2
kong_http_requests_total{code="429",consumer="",route="r",service="svc",source="exit"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "kong_http_requests_total", "kong_bandwidth_bytes"); err != nil {
		t.Error(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		want, ok := map[string]uint64{"kong_request_latency_ms": 3, "kong_kong_latency_ms": 3, "kong_upstream_latency_ms": 2}[f.GetName()]
		if got := f.GetMetric()[0].GetHistogram().GetSampleCount(); ok && got != want {
			t.Errorf("%s has %d samples, want %d", f.GetName(), got, want)
		}
	}
}
