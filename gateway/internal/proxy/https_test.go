package proxy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

func TestPluginsDoNotRunBeforeHTTPSIsAskedFor(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, "for https alone")
	}))
	defer origin.Close()
	g := startCached(t, Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	keyAuth := entity.Plugin{ID: "key", Name: "key-auth", Enabled: true,
		Config: map[string]any{"key_names": []any{"apikey"}, "key_in_header": true, "run_on_preflight": true}}
	c := config(origin.URL, entity.Route{Paths: []string{"/"}, HTTPSRedirectStatusCode: 426}, keyAuth, proxyCachePlugin(nil))
	c.Routes[0].Protocols = []string{"https"}
	g.apply(t, c)
	if res, _ := get(t, g.url+"/", "X-Forwarded-Proto", "https", "apikey", "secret-key"); res.StatusCode != 200 {
		t.Fatalf("over https: %d", res.StatusCode)
	}
	for _, header := range [][]string{nil, {"apikey", "secret-key"}} {
		if res, body := get(t, g.url+"/", header...); res.StatusCode != 426 || res.Header.Get("X-Cache-Status") != "" {
			t.Errorf("over http with %v: %d %s", header, res.StatusCode, body)
		}
	}
}
