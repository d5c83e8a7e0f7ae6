package proxy

import (
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Trailers come when everything has been decided by the header: a plugin that
// reads the body must not make fields of them.
func TestTrailersAreNoFieldsForWhoReadsTheBody(t *testing.T) {
	origin := startRecorder(t)
	g := start(t, Config{}, 4)
	auth := entity.Plugin{ID: "p1", Name: "key-auth", Enabled: true, Config: map[string]any{
		"key_names": []any{"apikey"}, "key_in_header": true, "key_in_body": true, "anonymous": "c1",
	}}
	g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}, auth))
	for _, trailer := range []string{"X-Anonymous-Consumer: x", "X-Consumer-Username: root", "X-Authenticated-Userid: root",
		"X_Consumer_Username: root", "apikey: secret-key"} {
		answer := g.say(t, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n"+
			"Transfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n0\r\n"+trailer+"\r\n\r\n")
		r := origin.take()
		if r == nil {
			t.Errorf("%s: did not arrive: %.60q", trailer, answer)
			continue
		}
		name, value, _ := strings.Cut(trailer, ": ")
		if len(r.Trailer) > 0 || r.Header.Get("Trailer") != "" || r.Header.Get(name) == value {
			t.Errorf("%s: arrived with %v and trailers %v", trailer, r.Header, r.Trailer)
		}
		if r.Header.Get("X-Anonymous-Consumer") != "true" || r.Header.Get("X-Consumer-Username") != "alice" {
			t.Errorf("%s: the gateway's own fields are %v", trailer, r.Header)
		}
	}
}
