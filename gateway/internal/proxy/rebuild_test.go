package proxy

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/all"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

// described is what requests find in a snapshot, as text.
func described(s *snapshot, routes int) string {
	var out []string
	for i := range routes {
		e := s.routes[s.table.Slot(i)]
		service := "none"
		if e.service != nil {
			service = fmt.Sprint(e.service.ID, e.service.Host, e.balancer != nil, s.asked[e.service.ID])
		}
		out = append(out, fmt.Sprint(e.route.ID, e.route.Paths, service, e.host, e.guarded, len(e.diverted)))
	}
	filled := 0
	for i := range s.routes {
		if s.routes[i].route != nil {
			filled++
		}
	}
	for id, b := range s.byService {
		out = append(out, fmt.Sprint("balancer ", id, b != nil))
	}
	slices.Sort(out)
	return fmt.Sprint(out, filled, s.guarded, len(s.balancers))
}

// changedConfig changes a few services and routes by chance; lists without a change
// are shared, as the store does.
func changedConfig(r *rand.Rand, c *entity.Config, next *int) *entity.Config {
	out := *c
	out.Revision++
	switch r.IntN(6) {
	case 0: // a service changes
		out.Services = slices.Clone(c.Services)
		out.Services[r.IntN(len(out.Services))].Host = fmt.Sprintf("127.0.0.%d", 1+r.IntN(200))
	case 1: // a service is new, and one is disabled or enabled
		fresh := entity.Service{ID: fmt.Sprintf("s-%d", *next), Protocol: "http", Host: "127.0.0.1", Port: 80, Enabled: true}
		out.Services = append(slices.Clone(c.Services), fresh)
		at := r.IntN(len(c.Services))
		out.Services[at].Enabled = !out.Services[at].Enabled
		*next++
	case 2: // a plugin guards a service
		id := c.Services[r.IntN(len(c.Services))].ID
		out.Plugins = append(slices.Clone(c.Plugins), entity.Plugin{ID: fmt.Sprintf("p%d", *next), Name: "key-auth", Enabled: true,
			Service: &entity.Ref{ID: id}, Config: map[string]any{"key_names": []any{"k"}, "key_in_header": true}})
		*next++
	case 3: // a route goes
		if len(c.Routes) > 1 {
			at := r.IntN(len(c.Routes))
			out.Routes = slices.Delete(slices.Clone(c.Routes), at, at+1)
		}
	default: // a route is new, and another moves to another service
		out.Routes = append(slices.Clone(c.Routes), &entity.Route{ID: fmt.Sprintf("r%d", *next), Protocols: []string{"http"},
			Paths: []string{fmt.Sprintf("/%d", *next)}, Service: &entity.Ref{ID: c.Services[r.IntN(len(c.Services))].ID}})
		*next++
		moved := r.IntN(len(out.Routes))
		out.Routes[moved] = new(*out.Routes[moved])
		out.Routes[moved].Service = &entity.Ref{ID: c.Services[r.IntN(len(c.Services))].ID}
	}
	return &out
}

// A snapshot that was made of the one before is the one that would have been made anew.
func TestASnapshotOfTheOneBeforeIsTheSame(t *testing.T) {
	pools := upstream.NewPools(upstream.Config{}, nil)
	defer pools.Close()
	log := slog.New(slog.DiscardHandler)
	p := New(Config{}, &plugin.Deps{Plugins: all.Plugins(), Registerer: prometheus.NewRegistry(), Log: log}, pools, nil, log)
	defer p.Close()
	for seed := range uint64(30) {
		r, next := rand.New(rand.NewPCG(seed, 3)), 0
		c := config("http://127.0.0.1:9", entity.Route{Paths: []string{"/"}})
		old, err := p.build(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		for step := range 25 {
			c = changedConfig(r, c, &next)
			made, err := p.build(c, old)
			if err != nil {
				t.Fatal(err)
			}
			anew, err := p.build(c, nil)
			if err != nil {
				t.Fatal(err)
			}
			n := len(enabledRoutes(c, made.services))
			if got, want := described(made, n), described(anew, n); got != want {
				t.Fatalf("seed %d, step %d:\n got %s\nwant %s", seed, step, got, want)
			}
			old = made
		}
	}
}
