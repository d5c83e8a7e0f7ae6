package jwks

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/plugin/fetching"
)

// Timeout bounds one request for keys.
const Timeout = 5 * time.Second

// Registry keeps sources beyond a configuration: a new one finds the keys that are
// known.
type Registry struct {
	mu      sync.Mutex
	client  *fetching.Client
	sources map[location]*Source
}

type location struct {
	url     string
	refresh time.Duration
}

// NewRegistry makes a registry.
func NewRegistry() *Registry {
	return &Registry{client: fetching.New(Timeout), sources: map[location]*Source{}}
}

// Source is the keys of a URL.
func (r *Registry) Source(url string, refresh time.Duration, log *slog.Logger) *Source {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := location{url, refresh}
	s := r.sources[at]
	if s == nil {
		s = NewSource(func(ctx context.Context) ([]byte, error) { return r.client.Get(ctx, url) }, refresh, log)
		r.sources[at] = s
	}
	return s
}

// Keep forgets all sources but those in use.
func (r *Registry) Keep(used map[*Source]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for at, s := range r.sources {
		if !used[s] {
			delete(r.sources, at)
		}
	}
	if len(r.sources) == 0 {
		r.client.Close()
	}
}
