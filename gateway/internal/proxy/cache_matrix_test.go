package proxy

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// matrixField is a request field by which an origin's answers differ.
type matrixField struct {
	name   string
	values []string // that clients send; each of them is one client's
}

var matrixFields = []matrixField{
	{"Accept-Language", []string{"de", "fr"}},
	{"Authorization", []string{"Bearer a", "Bearer b"}},
	{"Cookie", []string{"s=1", "s=2"}},
	{"User-Agent", []string{"one", "two"}},
	{"X-Tenant", []string{"a", "b", "a\r\nX-Tenant: b"}},
	{"Via", []string{"1.1 a", "1.1 b"}},
	{"Forwarded", []string{"for=192.0.2.1", "for=192.0.2.2"}},
	{"X-Real-Ip", []string{"192.0.2.1", "192.0.2.2"}},
	{"X-Forwarded-For", []string{"192.0.2.1", "192.0.2.2", "192.0.2.1, 192.0.2.9"}},
	{"X-Forwarded-Host", []string{"a.test", "b.test"}},
	{"X-Forwarded-Proto", []string{"http", "https"}},
	{"X-Forwarded-Port", []string{"81", "82"}},
	{"X-Forwarded-Prefix", []string{"/a", "/b"}},
	{"X-Forwarded-Path", []string{"/a", "/b"}},
	{"X-Consumer-Username", []string{"alice", "root"}},
	{"X-Consumer-Id", []string{"c1", "c9"}},
	{"X-Credential-Identifier", []string{"k1", "k9"}},
	{"X-Anonymous-Consumer", []string{"true", "false"}},
	{"Te", []string{"trailers", "gzip, trailers", "gzip"}},
	{"Host", []string{"a.test", "b.test", "a.test:81"}},
}

// requests are all ways in which clients may send the field: not at all, with each
// value, and with each while a Connection header withdraws it; as two consumers and
// anonymously.
func (f matrixField) requests() (all []string) {
	values := append([]string{""}, f.values...)
	for _, value := range values {
		for _, connection := range []string{"", f.name, "keep-alive, " + strings.ToLower(f.name)} {
			for _, key := range []string{"", "secret-key", "bobs-key"} {
				var b strings.Builder
				host := "gateway.test"
				if f.name == "Host" && value != "" {
					host = value
				}
				fmt.Fprintf(&b, "GET /m HTTP/1.1\r\nHost: %s\r\n", host)
				if f.name != "Host" && value != "" {
					fmt.Fprintf(&b, "%s: %s\r\n", f.name, value)
				}
				if connection != "" {
					fmt.Fprintf(&b, "Connection: %s\r\n", connection)
				}
				if key != "" {
					fmt.Fprintf(&b, "apikey: %s\r\n", key)
				}
				b.WriteString("Connection: close\r\n\r\n")
				all = append(all, b.String())
			}
		}
	}
	return all
}

// matrixOrigin answers with what it was sent in the field that its name names, and
// says that it does so where it is asked to.
func matrixOrigin(t *testing.T, name string, vary bool) string {
	t.Helper()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got := r.Header.Values(name)
		if name == "Host" {
			got = []string{r.Host}
		}
		if vary {
			w.Header().Set("Vary", name)
		}
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintf(w, "%q", got)
	}))
	t.Cleanup(origin.Close)
	return origin.URL
}

func matrixConfig(origin string, preserveHost bool, plugins ...entity.Plugin) *entity.Config {
	auth := entity.Plugin{ID: "auth", Name: "key-auth", Enabled: true, Config: map[string]any{"key_names": []any{"apikey"},
		"key_in_header": true,
		"anonymous":     "nobody", "hide_credentials": true}}
	c := config(origin, entity.Route{Paths: []string{"/"}, PreserveHost: preserveHost}, append(plugins, auth)...)
	c.Consumers = append(c.Consumers, entity.Consumer{ID: "c2", Username: "bob"}, entity.Consumer{ID: "c3", Username: "nobody"})
	c.KeyAuths = append(c.KeyAuths, entity.KeyAuth{ID: "k2", Key: "bobs-key", Consumer: entity.Ref{ID: "c2"}})
	return c
}

func bodyOf(answer string) string {
	_, body, _ := strings.Cut(answer, "\r\n\r\n")
	return body
}

// TestNoClientGetsAnothersAnswer asks with and without a cache. An answer that the
// cache gives must be the one that the origin would have given to this very
// request, whatever was asked before.
func TestNoClientGetsAnothersAnswer(t *testing.T) {
	total := 0
	for _, field := range matrixFields {
		for _, vary := range []bool{true, false} { // else config.vary_headers
			for _, ownEntries := range []bool{true, false} { // vary_consumer
				for _, trusted := range []bool{false, true} {
					total += matrixRow(t, field, vary, ownEntries, trusted)
				}
			}
		}
	}
	t.Logf("%d answers compared", total)
}

func matrixRow(t *testing.T, field matrixField, vary, ownEntries, trusted bool) (compared int) {
	name := fmt.Sprintf("%s vary=%t vary_consumer=%t trusted=%t", field.name, vary, ownEntries, trusted)
	t.Run(name, func(t *testing.T) {
		c := Config{}
		if trusted {
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		}
		origin := matrixOrigin(t, field.name, vary)
		g := startCached(t, c)
		preserve := field.name == "Host"
		settings := map[string]any{"content_type": []any{"text/plain"}, "vary_consumer": ownEntries}
		if !vary {
			settings["vary_headers"] = []any{strings.ToLower(field.name)}
		}
		// What a plugin's options name is kept from Connection, also while it is
		// disabled: both configurations forward the same.
		off := proxyCachePlugin(settings)
		off.Enabled = false
		g.apply(t, matrixConfig(origin, preserve, off))
		requests := field.requests()
		want := make([]string, len(requests))
		for i, r := range requests {
			want[i] = bodyOf(g.say(t, r))
		}
		cached := matrixConfig(origin, preserve, proxyCachePlugin(settings))
		cached.Revision = 2
		g.apply(t, cached)
		mixed, hits := 0, 0
		dice := rand.New(rand.NewPCG(1, 2))
		for range 2 {
			for _, i := range dice.Perm(len(requests)) {
				answer := g.say(t, requests[i])
				compared++
				if strings.Contains(answer, "X-Cache-Status: Hit") {
					hits++
				}
				if got := bodyOf(answer); got != want[i] {
					if mixed++; mixed <= 2 {
						t.Errorf("to %q came %s, the origin says %s", requests[i], got, want[i])
					}
				}
			}
		}
		if mixed > 0 {
			t.Errorf("%d answers were mixed up", mixed)
		}
		if hits == 0 {
			t.Error("nothing came from the cache")
		}
	})
	return compared
}
