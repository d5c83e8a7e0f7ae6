package standin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"time"

	"github.com/gatelab/gatelab/internal/webguard"
)

// BalancerConfig is what nginx's configuration says in a lab, in our words.
type BalancerConfig struct {
	Listen, Status string        // host:port
	Upstreams      []string      // host:port
	Method         string        // round_robin, least_conn
	Keepalive      int           // idle connections to all upstreams; 0: a new one a request
	MaxFails       int           // failures within FailTimeout that take an upstream out; 0: never
	FailTimeout    time.Duration // also how long it stays out; 0 is 10 s
	Retries        bool          // another upstream for idempotent requests without a response
}

// connectWithin is nginx's proxy_connect_timeout in the lab.
const connectWithin = 500 * time.Millisecond

// Validate names the field that is wrong and what is allowed.
func (c BalancerConfig) Validate() error {
	switch {
	case len(c.Upstreams) == 0:
		return errors.New("upstream: none given")
	case c.Method != "round_robin" && c.Method != "least_conn":
		return fmt.Errorf("method: %q is not allowed: want round_robin or least_conn", c.Method)
	case c.Keepalive < 0:
		return fmt.Errorf("keepalive: %d is not allowed: want 0 or more", c.Keepalive)
	case c.MaxFails < 0:
		return fmt.Errorf("max-fails: %d is not allowed: want 0 or more", c.MaxFails)
	case c.FailTimeout < 0:
		return fmt.Errorf("fail-timeout: %s is not allowed: want 0 or more", c.FailTimeout)
	}
	return nil
}

// Balancer serves until the context ends; then requests in flight have five
// seconds.
func Balancer(ctx context.Context, c BalancerConfig) error {
	if err := c.Validate(); err != nil {
		return err
	}
	p := newPool(c)
	guard, err := webguard.New(webguard.Config{Listen: c.Status})
	if err != nil {
		return fmt.Errorf("status: %w", err)
	}
	// The front has no limit for whole requests and responses: event streams.
	front := &http.Server{Handler: p.handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 75 * time.Second, ErrorLog: quiet()}
	status := webguard.NewServer(guard.Wrap(p.statusHandler()), webguard.Limits{})
	status.ErrorLog = quiet()
	ended := make(chan error, 2)
	for addr, s := range map[string]*http.Server{c.Listen: front, c.Status: status} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			front.Close()
			status.Close()
			return err
		}
		go func() { ended <- s.Serve(l) }()
	}
	select {
	case <-ctx.Done():
	case err := <-ended:
		front.Close()
		status.Close()
		return err
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(front.Shutdown(last), status.Close())
}

// quiet drops what net/http would log of clients that hang up.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func (p *pool) handler() http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "gateways" // the transport picks one
			r.Out.Host = r.In.Host
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
		},
		Transport:     p,
		FlushInterval: -1, // server-sent events arrive as they are sent
		ErrorLog:      quiet(),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			code := http.StatusBadGateway
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				code = http.StatusGatewayTimeout
			}
			w.WriteHeader(code)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		webguard.PaceBody(w, r, time.Minute) // nginx's client_body_timeout
		proxy.ServeHTTP(w, r)
	})
}

func (p *pool) statusHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		for _, u := range p.upstreams {
			fmt.Fprintf(w, "%s in_flight=%d out=%t\n", u.addr, u.inFlight.Load(), !p.in(u, time.Now()))
		}
	})
	return mux
}
