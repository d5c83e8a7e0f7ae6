package proxy

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Services that no route leads to have no targets: thousands of them would be
// series of metrics, and work at every change.
func TestOnlyServicesThatAreAskedHaveABalancer(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer origin.Close()
	g := start(t, Config{}, 4)
	c := config(origin.URL, entity.Route{Paths: []string{"/a"}})
	service := c.Services[0]
	idle, probed := service, service
	idle.ID = "s2"
	idle.Name = "idle"
	idle.Host = "elsewhere.invalid"
	probed.ID = "s3"
	probed.Name = "probed"
	probed.Host = "pool"
	c.Services = append(c.Services, idle, probed)
	c.Upstreams = []entity.Upstream{{ID: "u1", Name: "pool", Algorithm: "round-robin"}}
	c.Targets = []entity.Target{{ID: "t1", Target: "10.0.0.1:1", Weight: 100, Upstream: entity.Ref{ID: "u1"}}}
	g.apply(t, c)
	all, err := g.balancers(c, c.Routes, sourceOf(c))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all["s1"] == nil || all["s3"] == nil {
		t.Errorf("balancers: %v", all)
	}
	if res, _ := get(t, g.url+"/a"); res.StatusCode != http.StatusOK {
		t.Errorf("status %d", res.StatusCode)
	}
	// A route makes it one that is asked.
	more := *c
	more.Revision = 2
	more.Routes = append(more.Routes, &entity.Route{ID: "r2", Protocols: []string{"http"}, Paths: []string{"/b"},
		Service: &entity.Ref{ID: "s2"}})
	if all, err = g.balancers(&more, more.Routes, sourceOf(&more)); err != nil || all["s2"] == nil {
		t.Errorf("with a route: %v %v", all, err)
	}
}
