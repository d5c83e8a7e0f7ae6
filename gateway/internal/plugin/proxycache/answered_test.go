package proxycache

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
	"github.com/gatelab/gatelab/gateway/internal/plugin/requesttermination"
)

// TestAnotherPluginsAnswerIsNoWordOfTheUpstream has a plugin behind the cache
// answer while what is stored is stale: neither is its 304 one to the cache's
// condition, nor its 503 the upstream's error.
func TestAnotherPluginsAnswerIsNoWordOfTheUpstream(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Etag", `"e"`)
		w.Header().Set("Cache-Control", "max-age=1, stale-if-error=60")
		fmt.Fprint(w, "stored")
	})
	for _, status := range []int{http.StatusNotModified, http.StatusServiceUnavailable} {
		g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition(), requesttermination.Definition()},
			entity.Record{"name": "proxy-cache", "config": entity.Record{"strategy": "memory", "cache_control": true, "storage_ttl": 60}},
			entity.Record{"name": "request-termination", "config": entity.Record{"trigger": "X-Stop", "status_code": status}})
		g.Send(t, http.MethodGet, "/", "")
		deadline := time.Now().Add(5 * time.Second)
		for {
			res, body := g.Send(t, http.MethodGet, "/", "", "X-Stop: 1")
			if res.StatusCode == status {
				break
			}
			if cached := res.Header.Get("X-Cache-Status"); cached != cacheHit || time.Now().After(deadline) {
				t.Fatalf("%d %q (%s) in the place of %d", res.StatusCode, body, cached, status)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}
