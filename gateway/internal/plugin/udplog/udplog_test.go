package udplog

import (
	"encoding/json"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"gatelab/gateway/internal/entity"
	"gatelab/gateway/internal/entity/entitytest"
	"gatelab/gateway/internal/plugin"
	"gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"udp-log.host":                 `.: json:"host" + s.Host`,
	"udp-log.port":                 `.: json:"port" + s.Port`,
	"udp-log.timeout":              `.: json:"timeout" + s.Timeout`,
	"udp-log.custom_fields_by_lua": "refused",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{name: Definition().Config}, nil)
}

func TestSchema(t *testing.T) {
	schemas := plugin.NewSet(Definition()).Catalog()
	r, err := entitytest.Insert(t, schemas, "plugins", `{"name":"udp-log","config":{"host":"h","port":1}}`)
	want := map[string]any{"host": "h", "port": int64(1), "timeout": int64(10_000), "custom_fields_by_lua": nil}
	if err != nil || !reflect.DeepEqual(r["config"], want) {
		t.Errorf("config %v, %v", r["config"], err)
	}
	if p := Definition().Priority; p != 8 {
		t.Errorf("priority %d is not Kong's", p)
	}
	_, err = entitytest.Insert(t, schemas, "plugins", `{"name":"udp-log","config":{"host":"h"}}`)
	entitytest.Refused(t, err, "port: required field missing")
}

// TestRequests sends a datagram for each, but for one that does not fit.
func TestRequests(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			for range 7 {
				w.Header().Add("X-Long", strings.Repeat("x", 8000))
			}
		}
	})
	g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()}, entity.Record{
		"name": name, "config": entity.Record{"host": "127.0.0.1", "port": server.LocalAddr().(*net.UDPAddr).Port},
	})
	for _, path := range []string{"/a", "/long", "/b"} {
		g.Send(t, http.MethodGet, path, "", "X-Long:"+strings.Repeat("x", len(path)*2000))
	}
	buf := make([]byte, 1<<16)
	_ = server.SetReadDeadline(time.Now().Add(10 * time.Second))
	for _, want := range []string{"/a", "/b"} {
		n, _, err := server.ReadFrom(buf)
		if err != nil {
			t.Fatal(err)
		}
		var e struct{ Request struct{ URI string } }
		if err := json.Unmarshal(buf[:n], &e); err != nil || e.Request.URI != want {
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
