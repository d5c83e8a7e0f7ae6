package proxycache

import (
	"net/http"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/cache"
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

// TestAPurgeIsOfEverySpelling: what is withdrawn must not stay where a client has spelt its
// path otherwise.
func TestAPurgeIsOfEverySpelling(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Type", "text/plain") })
	var store *cache.Store
	g := plugintest.StartOptions(t, plugintest.Options{Deps: func(d *plugin.Deps) { store = d.Cache }}, origin,
		[]plugin.Definition{Definition()}, entity.Record{"name": "proxy-cache", "config": entity.Record{"strategy": "memory"}})
	status := func(target string) string {
		res, _ := g.Send(t, http.MethodGet, target, "")
		return res.Header.Get("X-Cache-Status")
	}
	spellings := []string{"/img/a", "/%69mg/a", "/%69%6dg/a?b=%61", "//img/a", "/./img/a", "/x/../img/a", "/img/%c3%bc"}
	for _, target := range append(spellings, "/imgs") {
		for _, want := range []string{"Miss", "Hit"} {
			if got := status(target); got != want {
				t.Fatalf("%s: %s, want %s", target, got, want)
			}
		}
	}
	if err := store.PurgeSelected(t.Context(), cache.Selection{Prefixes: []string{"/img/"}}); err != nil {
		t.Fatal(err)
	}
	for _, target := range spellings {
		if got := status(target); got == "Hit" {
			t.Errorf("%s is still answered from the cache", target)
		}
	}
	if got := status("/imgs"); got != "Hit" {
		t.Errorf("/imgs: %s", got)
	}
}
