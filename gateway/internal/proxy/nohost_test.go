package proxy

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

func TestARequestWithoutAHostHurtsNoTarget(t *testing.T) {
	seen := make(chan string, 10)
	origin := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen <- r.Host }))
	defer origin.Close()
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}, PreserveHost: true}))
	own := strings.TrimPrefix(origin.URL, "http://")
	for range 5 { // three failures would eject the target
		if answer := g.say(t, "GET / HTTP/1.0\r\n\r\n"); !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
			t.Fatalf("got %q", answer)
		}
		if host := <-seen; host != own {
			t.Errorf("upstream saw host %q, want %q", host, own)
		}
	}
	if res, _ := get(t, g.url+"/"); res.StatusCode != 200 {
		t.Errorf("afterwards: %d", res.StatusCode)
	}
	if host := <-seen; host != strings.TrimPrefix(g.url, "http://") {
		t.Errorf("a host that came was not preserved: %q", host)
	}
}
