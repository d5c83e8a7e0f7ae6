package outside_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/outside"
	"github.com/gatelab/gatelab/internal/testenv"
)

// through opens a proxy to an address and closes it with the test.
func through(t *testing.T, upstream string) *outside.Proxy {
	t.Helper()
	p, err := outside.NewProxy(t.Context(), "127.0.0.1:0", upstream)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// during runs a fault of the proxy and calls check while its effect lasts.
func during(t *testing.T, p *outside.Proxy, s fault.Spec, probe string, check func()) {
	t.Helper()
	f, err := p.Fault(t.Context(), s, probe)
	if err != nil {
		t.Fatal(err)
	}
	_, err = fault.Run(t.Context(), f, fault.Plan{RecoverAfter: 100 * time.Millisecond, OnStep: func(step string, _ fault.Event) {
		if step == fault.StepEffect {
			check()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestProxyDelaysPostgres(t *testing.T) {
	config, err := pgx.ParseConfig(testenv.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	p := through(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(int(config.Port))))
	_, own, _ := net.SplitHostPort(p.Listen)
	port, err := strconv.ParseUint(own, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	config.Host, config.Port = "127.0.0.1", uint16(port)
	query := func() time.Duration {
		began := time.Now()
		c, err := pgx.ConnectConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close(context.Background()) }()
		var one int
		if err := c.QueryRow(t.Context(), "select 1").Scan(&one); err != nil || one != 1 {
			t.Fatal(one, err)
		}
		return time.Since(began)
	}
	query()
	during(t, p, fault.Spec{Kind: fault.KindLatency, Latency: 150 * time.Millisecond}, "", func() {
		if took := query(); took < 150*time.Millisecond {
			t.Errorf("a query took %s over a connection that is 150 ms late", took)
		}
	})
	query()
}

func TestProxyResetsRedis(t *testing.T) {
	o, err := redis.ParseURL("redis://" + strings.TrimPrefix(testenv.Redis(t), "redis://"))
	if err != nil {
		t.Fatal(err)
	}
	p := through(t, o.Addr)
	o.Addr, o.MaxRetries = p.Listen, -1
	c := redis.NewClient(o)
	defer c.Close()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	during(t, p, fault.Spec{Kind: fault.KindReset}, "", func() {
		if err := c.Ping(t.Context()).Err(); err == nil {
			t.Error("Redis answers over a connection that is reset")
		}
	})
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Error("after the fault:", err)
	}
}

// A server that says nothing to the requests that are tried needs one that the user names.
func TestProxyWithTheUsersOwnProbe(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, 64)
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				if n, _ := c.Read(b); string(b[:n]) == "knock" {
					_, _ = c.Write([]byte("who is there"))
				}
				_, _ = c.Read(b)
			}()
		}
	}()
	p := through(t, ln.Addr().String())
	_, err = p.Fault(t.Context(), fault.Spec{Kind: fault.KindLatency}, "")
	if err == nil || !strings.Contains(err.Error(), "--probe") {
		t.Errorf("a silent server: %v", err)
	}
	during(t, p, fault.Spec{Kind: fault.KindLatency, Latency: 50 * time.Millisecond}, "knock", func() {})
}

func TestProxyOfAWebServer(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("yes")) }))
	defer s.Close()
	p := through(t, strings.TrimPrefix(s.URL, "http://"))
	client := &http.Client{Timeout: 300 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	get := func() error {
		res, err := client.Get("http://" + p.Listen)
		if err == nil {
			err = res.Body.Close()
		}
		return err
	}
	during(t, p, fault.Spec{Kind: fault.KindBlackHole}, "", func() {
		if get() == nil {
			t.Error("an answer came through a black hole")
		}
	})
	client.Timeout = 5 * time.Second
	if err := get(); err != nil {
		t.Error("after the fault:", err)
	}
}

func TestProxyRefuses(t *testing.T) {
	for _, c := range []struct{ name, listen, upstream, want string }{
		{name: "another machine", listen: "127.0.0.1:0", upstream: "192.0.2.1:80", want: "not on this machine"},
		{name: "a name", listen: "127.0.0.1:0", upstream: "example.com:80", want: "want localhost or an IP address"},
		{name: "no port", listen: "127.0.0.1:0", upstream: "127.0.0.1", want: "want host:port"},
		{name: "listening for everybody", listen: "0.0.0.0:0", upstream: "127.0.0.1:1", want: "want an address on loopback"},
		{name: "listening nowhere", listen: "here", upstream: "127.0.0.1:1", want: "want host:port"},
	} {
		if _, err := outside.NewProxy(t.Context(), c.listen, c.upstream); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	p := through(t, testenv.FreeAddr(t))
	if _, err := p.Fault(t.Context(), fault.Spec{Kind: fault.KindKill}, ""); err == nil || !strings.Contains(err.Error(), "want bandwidth") {
		t.Errorf("a kill of a connection: %v", err)
	}
	_, err := p.Fault(t.Context(), fault.Spec{Kind: fault.KindLatency}, "")
	if err == nil || !strings.Contains(err.Error(), "does not accept connections") {
		t.Errorf("an address where nothing listens: %v", err)
	}
}
