package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// silent is an origin that takes a request and says nothing, or the beginning of an answer and no more.
func silent(t *testing.T, begins string) string {
	t.Helper()
	p := startPeer(t, func(c net.Conn, _ *http.Request, _ int64) bool {
		_, _ = io.WriteString(c, begins)
		_, _ = io.Copy(io.Discard, c) // until the gateway gives it up
		return false
	})
	return strings.TrimPrefix(p.url, "http://")
}

// refused is an address at which nothing listens.
func refused(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// TestWhatAnswersForTargetsThatDoNot holds the status for each way in which no target answers, over sockets: 504 where
// the last one that was asked was silent, as in nginx and Kong, 502 where it could not be reached or broke off, and 503
// where health checks leave none.
func TestWhatAnswersForTargetsThatDoNot(t *testing.T) {
	const (
		quiet  = "silent"
		begun  = "begins its header"
		nobody = "refused"
	)
	for _, row := range []struct {
		name    string
		targets []string
		checks  bool // one failure makes a target unhealthy
		method  string
		want    []int // of requests, one after the other
	}{
		{"a silent service", []string{quiet}, false, "GET", []int{504, 504}},
		{"a silent service, POST", []string{quiet}, false, "POST", []int{504, 504}},
		{"a service that begins its header", []string{begun}, false, "GET", []int{504, 504}},
		{"a service that is not there", []string{nobody}, false, "GET", []int{502, 502}},
		{"a silent target, ejected or not", []string{quiet, quiet}, false, "GET", []int{504, 504, 504, 504, 504, 504, 504, 504}},
		{"the only target there is silent", []string{nobody, quiet}, false, "GET", []int{504, 504, 504, 504, 504, 504}},
		{"the only target there is silent, POST", []string{nobody, quiet}, false, "POST", []int{504, 504, 504, 504}},
		{"no target is there", []string{nobody, nobody}, false, "GET", []int{502, 502, 502}},
		{"a silent target that is checked", []string{quiet}, true, "GET", []int{504, 503, 503}},
		{"a refusing target that is checked", []string{nobody}, true, "GET", []int{502, 503}},
		{"the only target there is silent, and checked", []string{nobody, quiet}, true, "GET", []int{504, 502, 503}},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := start(t, Config{}, 4)
			c := config("http://pool.internal:80", entity.Route{Paths: []string{"/"}})
			c.Services[0].ReadTimeout = 100
			checks := entity.Healthchecks{}
			if row.checks {
				checks.Passive.Unhealthy.TCPFailures, checks.Passive.Unhealthy.Timeouts = 1, 1
			}
			c.Upstreams = []entity.Upstream{{ID: "u", Name: "pool.internal", Algorithm: "round-robin", Healthchecks: checks}}
			for i, kind := range row.targets {
				address := ""
				switch kind {
				case quiet:
					address = silent(t, "")
				case begun:
					address = silent(t, "HTTP/1.1 200 OK\r\nContent-")
				case nobody:
					address = refused(t)
				}
				c.Targets = append(c.Targets, entity.Target{ID: fmt.Sprint("t", i), Target: address, Weight: 100, Upstream: entity.Ref{ID: "u"}})
			}
			g.apply(t, c)
			for i, want := range row.want {
				got := g.say(t, row.method+" / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
				if !strings.HasPrefix(got, fmt.Sprintf("HTTP/1.1 %d ", want)) {
					t.Errorf("request %d: %.60q, want %d", i+1, got, want)
				}
			}
		})
	}
}
