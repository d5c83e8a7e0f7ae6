package udplog

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"udp-log.host":                 `../logentry: json:"host" + s.Host`,
	"udp-log.port":                 `../logentry: json:"port" + s.Port`,
	"udp-log.timeout":              `../logentry: json:"timeout" + s.Timeout`,
	"udp-log.custom_fields_by_lua": "refused",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{name: Definition().Config}, nil)
}

func TestSchema(t *testing.T) {
	plugintest.Schema{
		Priority: 8, Config: `{"host":"h","port":1}`,
		Defaults: map[string]any{"host": "h", "port": int64(1), "timeout": int64(10_000), "custom_fields_by_lua": nil},
		Refused:  map[string]string{`{"host":"h"}`: "port: required field missing"},
	}.Check(t, Definition())
}

// TestRequests sends a datagram for each, but for one that does not fit.
func TestRequests(t *testing.T) {
	server := plugintest.ListenDatagrams(t, "udp", "127.0.0.1:0")
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			for range 7 {
				w.Header().Add("X-Long", strings.Repeat("x", 8000))
			}
		}
	})
	g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()}, entity.Record{
		"name": name, "config": server.Config(nil),
	})
	for _, path := range []string{"/a", "/long", "/b"} {
		g.Send(t, http.MethodGet, path, "", "X-Long:"+strings.Repeat("x", len(path)*2000))
	}
	for _, want := range []string{"/a", "/b"} {
		var e struct{ Request struct{ URI string } }
		if err := json.Unmarshal([]byte(server.Receive(t)), &e); err != nil || e.Request.URI != want {
			t.Errorf("%s: %q, %v", want, e.Request.URI, err)
		}
	}
	const dropped = `# HELP gateway_log_entries_dropped_total Entries of logging and tracing plugins that were not delivered: ` +
		`full (the queue was), failed, or closed.
# TYPE gateway_log_entries_dropped_total counter
gateway_log_entries_dropped_total{plugin="udp-log",reason="closed"} 0
gateway_log_entries_dropped_total{plugin="udp-log",reason="failed"} 1
gateway_log_entries_dropped_total{plugin="udp-log",reason="full"} 0
`
	if err := testutil.GatherAndCompare(g.Metrics, strings.NewReader(dropped), "gateway_log_entries_dropped_total"); err != nil {
		t.Error(err)
	}
}
