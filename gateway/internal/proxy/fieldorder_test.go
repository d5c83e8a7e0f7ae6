package proxy

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

func TestDroppedFieldsDoNotReorderAddresses(t *testing.T) {
	seen := make(chan http.Header, 1)
	origin := server(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header
		w.Header()["Link"] = []string{"1", "2", "3"}
		w.Header().Set("Keep-Alive", "timeout=5")
	})
	g := start(t, Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
	for _, dropped := range []string{"X-Consumer-ID: 1", "Connection: keep-alive", "TE: trailers", "Upgrade: x", "X-Real-IP: 8.8.8.8"} {
		answer := g.say(t, "GET / HTTP/1.1\r\nHost: x\r\n"+dropped+
			"\r\nX-Forwarded-For: 1.1.1.1\r\nX-A: 1\r\nX-A: 2\r\nConnection: close\r\nX-A: 3\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n")
		h := <-seen
		if got := h.Get("X-Real-Ip"); got != "9.9.9.9" {
			t.Errorf("%s: the client is taken for %s", dropped, got)
		}
		if got := strings.Join(h["X-A"], ""); got != "123" {
			t.Errorf("%s: fields arrive in the order %s", dropped, got)
		}
		if at := strings.Index(answer, "Link: 1\r\nLink: 2\r\nLink: 3\r\n"); at < 0 {
			t.Errorf("answered %q", answer)
		}
	}
}

// TestPluginsDoNotReorderAddresses: what a plugin takes off a request stands between
// addresses of which the client has made the first up.
func TestPluginsDoNotReorderAddresses(t *testing.T) {
	seen := make(chan http.Header, 1)
	origin := server(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header
		w.Header()["Link"] = []string{"1", "2", "3"}
		w.Header().Set("X-Drop", "1")
	})
	for name, tt := range map[string]struct {
		config map[string]any
		field  string
	}{
		"key-auth":       {map[string]any{"key_names": []any{"apikey"}, "key_in_header": true, "hide_credentials": true}, "apikey: secret-key"},
		"basic-auth":     {map[string]any{"hide_credentials": true, "anonymous": "alice"}, "Authorization: Basic eDp5"},
		"hmac-auth":      {map[string]any{"hide_credentials": true, "anonymous": "alice"}, "Authorization: hmac x"},
		"correlation-id": {map[string]any{"header_name": "X-Id", "generator": "uuid"}, "X-Id: 1"},
		"zipkin":         {map[string]any{"header_type": "b3", "sample_ratio": 0}, "X-B3-TraceId: 0"},
		"request-transformer": {map[string]any{
			"remove": map[string]any{"headers": []any{"X-Drop"}}, "replace": map[string]any{"headers": []any{"X-B:2"}},
			"rename": map[string]any{"headers": []any{"X-C:X-D"}},
		}, "X-Drop: 1\r\nX-B: 1\r\nX-C: 1"},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, 4)
			g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}},
				entity.Plugin{ID: "p1", Name: name, Enabled: true, Config: tt.config},
				entity.Plugin{ID: "p2", Name: "response-transformer", Enabled: true, Config: map[string]any{
					"remove": map[string]any{"headers": []any{"X-Drop"}},
				}}))
			answer := g.say(t, "GET / HTTP/1.1\r\nHost: x\r\n"+tt.field+
				"\r\nX-Forwarded-For: 1.1.1.1\r\nX-A: 1\r\nX-A: 2\r\nConnection: close\r\nX-A: 3\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n")
			if !strings.HasPrefix(answer, "HTTP/1.1 200 ") || !strings.Contains(answer, "Link: 1\r\nLink: 2\r\nLink: 3\r\n") {
				t.Errorf("answered %q", answer)
				return
			}
			h := <-seen
			if got := h.Get("X-Forwarded-For"); got != "1.1.1.1, 9.9.9.9, 127.0.0.1" {
				t.Errorf("the addresses arrive as %s", got)
			}
			if got := strings.Join(h["X-A"], ""); got != "123" {
				t.Errorf("fields arrive in the order %s", got)
			}
		})
	}
}
