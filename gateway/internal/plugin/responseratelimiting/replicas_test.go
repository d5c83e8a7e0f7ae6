package responseratelimiting

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
	"github.com/gatelab/gatelab/internal/testenv"
)

// TestReplicasCountTogether: what one has counted is known to another, through a
// real Redis, without a response that waits for it.
func TestReplicasCountTogether(t *testing.T) {
	host, text, err := net.SplitHostPort(testenv.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	const most = 1000
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Kong-Limit", r.Header.Get("Cost")) })
	replica := func() *plugintest.Gateway {
		return plugintest.Start(t, 0, origin, []plugin.Definition{Definition()}, entity.Record{
			"id": "0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01", "name": "response-ratelimiting", "config": entity.Record{
				"limits": entity.Record{"Video": entity.Record{"month": most}}, "policy": "redis", "redis_host": host, "redis_port": port,
			},
		})
	}
	one, two := replica(), replica()
	if got := ask(t, one, "Video=1000"); !strings.HasPrefix(got, "200") {
		t.Fatal(got)
	}
	for range 200 {
		if strings.HasPrefix(ask(t, two, "Video=1"), "429") {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("the other replica's counts are not known")
}
