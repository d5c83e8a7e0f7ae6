package labtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
)

// gateway is what all replicas share: entities as they were sent, and the number of changes.
type gateway struct {
	mu       sync.Mutex
	entities map[string]any // by path: "/services/ai-api"
	revision int
}

// forget is what a gateway with an empty database knows.
func (g *gateway) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.entities)
	g.revision = 0
}

// admin is an Admin API that keeps what it is sent and checks nothing.
func (g *gateway) admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /revisions", func(w http.ResponseWriter, _ *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		fmt.Fprintf(w, `{"data": [{"id": %d}]}`, g.revision)
	})
	mux.HandleFunc("GET /services", func(w http.ResponseWriter, _ *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		data := []any{}
		for at, e := range g.entities {
			if path.Dir(at) == "/services" {
				data = append(data, e)
			}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
	})
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		e, ok := g.entities[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_ = json.NewEncoder(w).Encode(e)
	})
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) { g.keep(w, r, r.URL.Path+"/", http.StatusCreated) })
	mux.HandleFunc("PUT /", func(w http.ResponseWriter, r *http.Request) { g.keep(w, r, r.URL.Path, http.StatusOK) })
	return mux
}

// keep takes an entity over. A path that ends with a slash is completed by its name.
func (g *gateway) keep(w http.ResponseWriter, r *http.Request, at string, status int) {
	e := map[string]any{}
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.revision++
	id := fmt.Sprintf("00000000-0000-4000-8000-%012d", g.revision)
	if strings.HasSuffix(at, "/") {
		name, _ := e["name"].(string)
		if name == "" {
			name = id
		}
		at += name
	}
	out := maps.Clone(e)
	out["id"] = id
	g.entities[at] = out
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out)
}

// status is the port for readiness and metrics.
func (g *gateway) status() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health/ready", func(w http.ResponseWriter, _ *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		w.Header().Set("X-Gateway-Revision", strconv.Itoa(g.revision))
		fmt.Fprint(w, `{"ready": true}`)
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		fmt.Fprintf(w, "# TYPE gateway_snapshot_revision gauge\ngateway_snapshot_revision %d\n", g.revision)
	})
	return mux
}

// proxyHandler answers everything in the name of a replica; with 503 if there is none.
func proxyHandler(replica func() string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		name := replica()
		if name == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Gateway-Node", name)
		w.Header().Set("X-Origin-Body", emptyObjectHash)
		fmt.Fprint(w, emptyObject)
	})
}

// emptyObject is every answer.
const emptyObject = "{}"

// emptyObjectHash is what an origin says of it.
var emptyObjectHash = fmt.Sprintf("%016x", xxhash.Sum64String(emptyObject))

// inTurn is a balancer's choice.
func inTurn(names func() []string) func() string {
	var n atomic.Uint64
	return func() string {
		all := names()
		if len(all) == 0 {
			return ""
		}
		return all[n.Add(1)%uint64(len(all))]
	}
}
