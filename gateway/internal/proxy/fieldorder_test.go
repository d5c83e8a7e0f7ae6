package proxy

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

func TestDeletedFieldsLeaveTheOthersInOrder(t *testing.T) {
	var q fasthttp.RequestHeader
	var a fasthttp.ResponseHeader
	for _, f := range strings.Fields("X-Drop:1 A:1 X-Drop:2 B:1 A:2 C:1 X-Drop:3 A:3 X-Drop:4") {
		name, value, _ := strings.Cut(f, ":")
		q.Add(name, value)
		a.Add(name, value)
	}
	del(&q, "x-drop")
	delFrom(&a, "X-Drop")
	del(&q, "Absent")
	var got [2]string
	for name, value := range q.All() {
		got[0] += string(name) + ":" + string(value) + " "
	}
	for name, value := range a.All() {
		if string(name) != "Content-Type" { // the codec's default
			got[1] += string(name) + ":" + string(value) + " "
		}
	}
	if want := "A:1 B:1 A:2 C:1 A:3 "; got[0] != want || got[1] != want {
		t.Errorf("left %q, want %q", got, want)
	}
}

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
