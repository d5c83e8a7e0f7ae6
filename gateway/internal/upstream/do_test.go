package upstream

import (
	"bufio"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/internal/testenv"
)

func TestMain(m *testing.M) { testenv.RunWithoutLeaks(m) }

func newCall(b *Balancer) *Call {
	req := &fasthttp.Request{}
	req.Header.SetRequestURI("/")
	req.Header.SetHost("x")
	return &Call{Balancer: b, Request: req, Response: &fasthttp.Response{}, Read: 5 * time.Second, Write: 5 * time.Second,
		Connect: 5 * time.Second}
}

func serviceAt(t testing.TB, p *Pools, raw string) *Balancer {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(u.Port())
	b, err := p.Balancer(&entity.Service{Protocol: u.Scheme, Host: u.Hostname(), Port: port}, &Source{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// listen answers each connection with talk.
func listen(t *testing.T, talk func(c net.Conn)) (url string, connections *atomic.Int64) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connections = new(atomic.Int64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			go func() {
				defer c.Close()
				talk(c)
			}()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return "http://" + ln.Addr().String(), connections
}

// answerAll answers every request on c with the same words.
func answerAll(c net.Conn, words string) {
	br := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		if _, err := io.WriteString(c, words); err != nil {
			return
		}
	}
}

func TestCertificatesAreChecked(t *testing.T) {
	origin := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_,
			_ = io.WriteString(w, "secure")
	}))
	origin.Config.ErrorLog = log.New(io.Discard, "", 0)
	origin.StartTLS()
	defer origin.Close()
	roots := x509.NewCertPool()
	roots.AddCert(origin.Certificate())
	for name, c := range map[string]struct {
		config Config
		ok     bool
	}{
		"signed by a root that is known":     {Config{Keepalive: 2, RootCAs: roots, VerifyTLS: true}, true},
		"signed by a root that is not known": {Config{Keepalive: 2, RootCAs: x509.NewCertPool(), VerifyTLS: true}, false},
		"not checked, as in Kong by default": {Config{Keepalive: 2, RootCAs: x509.NewCertPool()}, true},
	} {
		p := NewPools(c.config, nil)
		call := newCall(serviceAt(t, p, origin.URL))
		err := p.Do(call)
		var dial *DialError
		if c.ok && (err != nil || string(call.Response.Body()) != "secure") || !c.ok && !errors.As(err, &dial) {
			t.Errorf("%s: %q %v", name, call.Response.Body(), err)
		}
		p.Close()
	}
}

func TestConnectionsAreKeptAndGivenUp(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer string
		idle   int // connections kept afterwards
	}{
		{name: "an answer of known length", answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", idle: 1},
		{name: "an answer without a body", answer: "HTTP/1.1 204 No Content\r\n\r\n", idle: 1},
		{name: "an answer in chunks with trailers",
			answer: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n", idle: 1},
		{name: "an answer that says close", answer: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"},
		{name: "an old server's answer", answer: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"},
		{name: "more than was asked for",
			answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad"},
	} {
		t.Run(c.name, func(t *testing.T) {
			origin, _ := listen(t, func(conn net.Conn) { answerAll(conn, c.answer) })
			p := NewPools(Config{Keepalive: 4}, nil)
			defer p.Close()
			call := newCall(serviceAt(t, p, origin))
			if err := p.Do(call); err != nil {
				t.Fatal(err)
			}
			if call.Streamed {
				if b, err := io.ReadAll(call.Response.BodyStream()); err != nil || string(b) != "ok" {
					t.Errorf("read %q: %v", b, err)
				}
				_ = call.Response.CloseBodyStream()
			}
			if n := p.Idle(); n != c.idle {
				t.Errorf("%d connections are kept, want %d", n, c.idle)
			}
			if n := call.Target.inflight.Load(); n != 0 {
				t.Errorf("%d requests are said to be in flight", n)
			}
		})
	}
}

func TestIdleConnectionsEnd(t *testing.T) {
	gone := make(chan struct{})
	origin, _ := listen(t, func(c net.Conn) { answerAll(c, "HTTP/1.1 204 No Content\r\n\r\n"); close(gone) })
	p := NewPools(Config{Keepalive: 4, KeepaliveIdle: 50 * time.Millisecond}, nil)
	defer p.Close()
	if err := p.Do(newCall(serviceAt(t, p, origin))); err != nil {
		t.Fatal(err)
	}
	<-gone // without another request
}

func TestAForgottenTargetKeepsNoConnection(t *testing.T) {
	release := make(chan struct{})
	closed := make(chan struct{})
	origin, _ := listen(t, func(c net.Conn) {
		defer close(closed)
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		<-release
		_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		_, _ = c.Read(make([]byte, 1)) // until the gateway closes
	})
	p := NewPools(Config{Keepalive: 4}, nil)
	defer p.Close()
	b := serviceAt(t, p, origin)
	done := make(chan error, 1)
	go func() { done <- p.Do(newCall(b)) }()
	for b.ring.Load().members[0].target.inflight.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	p.Keep(nil) // a configuration without it
	close(release)
	if err := <-done; err != nil {
		t.Errorf("the request in flight: %v", err)
	}
	<-closed
}

func TestASlowAnswerIsNotAskedForAgain(t *testing.T) {
	origin, connections := listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	p := NewPools(Config{Keepalive: 4}, nil)
	defer p.Close()
	call := newCall(serviceAt(t, p, origin))
	call.Read = 300 * time.Millisecond
	call.Write = 300 * time.Millisecond
	call.Retries = 5
	if err := p.Do(call); !isTimeout(err) {
		t.Errorf("got %v", err)
	}
	// It may be counted after the call is over: who accepts it is a goroutine.
	eventually(t, "the origin is asked", func() bool { return connections.Load() > 0 })
	if n := connections.Load(); n != 1 {
		t.Errorf("the origin was asked %d times", n)
	}
}

func TestALongAnswerIsAStream(t *testing.T) {
	origin, _ := listen(t, func(c net.Conn) {
		answerAll(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"+strings.Repeat("x", 1000))
	})
	for limit, streamed := range map[int]bool{999: true, 1000: false} {
		p := NewPools(Config{Keepalive: 4, StreamAbove: limit}, nil)
		call := newCall(serviceAt(t, p, origin))
		var passed int64
		var broke error
		call.OnEnd = func(n int64, err error) { passed, broke = n, err }
		if err := p.Do(call); err != nil {
			t.Fatal(err)
		}
		if call.Streamed != streamed {
			t.Errorf("streamed above %d: %v", limit, call.Streamed)
		}
		if n := len(call.Response.Body()); n != 1000 { // reads the stream, and closes it
			t.Errorf("read %d bytes", n)
		}
		if streamed && (passed != 1000 || broke != nil) {
			t.Errorf("the end was told as %d bytes, %v", passed, broke)
		}
		p.Close()
	}
}

func TestALostClientIsNotServedAgain(t *testing.T) {
	var gone atomic.Bool
	origin, connections := listen(t, func(c net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(c))
		gone.Store(true)
	})
	p := NewPools(Config{Keepalive: 4}, nil)
	defer p.Close()
	call := newCall(serviceAt(t, p, origin))
	call.Retries, call.Gone = 5, gone.Load
	if err := p.Do(call); err == nil {
		t.Error("there was an answer")
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("the origin was asked %d times for a client that had left", n)
	}
}
