package proxy

import (
	"context"
	"io"
	"log"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/http2"
)

// HTTP2Config bounds what a client may do on an HTTP/2 connection.
type HTTP2Config struct {
	MaxStreams int // requests at a time; 0 is 128
}

const (
	defaultStreams = 128
	// Bytes of bodies that a client may send ahead of the upstream: of one
	// stream, and of all of a connection.
	streamWindow     = 256 << 10
	connectionWindow = 1 << 20
)

// http2Server serves connections of HTTP/2. What it makes of a stream is answered
// by the same handler as a request of HTTP/1.1.
type http2Server struct {
	server  *Server
	codec   http2.Server //nolint:staticcheck // http.Server takes no connection from its caller
	base    http.Server  // that the codec knows; it serves nothing itself
	streams sync.Pool
	metrics *http2Metrics

	running atomic.Int64 // requests; they may outlive their connections

	mu    sync.Mutex
	conns map[*http2Conn]struct{}
}

// http2Metrics are about connections of HTTP/2.
type http2Metrics struct {
	requests prometheus.Counter
	abuses   *prometheus.CounterVec
}

func newHTTP2Server(s *Server, c ServerConfig, reg prometheus.Registerer) *http2Server {
	if c.HTTP2.MaxStreams == 0 {
		c.HTTP2.MaxStreams = defaultStreams
	}
	h := &http2Server{server: s, conns: map[*http2Conn]struct{}{}}
	h.metrics = newHTTP2Metrics(reg, h)
	h.streams.New = func() any { return newStream(h, c.MaxHeaderBytes) }
	h.codec = http2.Server{ //nolint:staticcheck // http.Server takes no connection from its caller
		MaxConcurrentStreams: uint32(c.HTTP2.MaxStreams), //nolint:gosec // a setting of at most 10,000
		IdleTimeout:          s.clients.bounds.idle, MaxUploadBufferPerConnection: connectionWindow, MaxUploadBufferPerStream: streamWindow,
	}
	h.base = http.Server{MaxHeaderBytes: c.MaxHeaderBytes, ErrorLog: log.New(io.Discard, "", 0)}
	// With it base's Shutdown tells all connections. It fails for a TLS
	// configuration only, and there is none.
	_ = http2.ConfigureServer(&h.base, &h.codec) //nolint:staticcheck // http.Server takes no connection from its caller
	return h
}

func newHTTP2Metrics(reg prometheus.Registerer, h *http2Server) *http2Metrics {
	m := &http2Metrics{
		requests: newCounter("gateway_client_http2_requests_total", "Requests that came over HTTP/2."),
		abuses: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_client_http2_abuses_total", Help: "HTTP/2 connections ended for what their clients sent too much of, by kind.",
		}, []string{"kind"}),
	}
	for _, kind := range []string{abuseResets, abuseControl, abuseEmpty, abuseContinuation} {
		m.abuses.WithLabelValues(kind)
	}
	open := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gateway_client_http2_connections", Help: "Open client connections that speak HTTP/2.",
	}, func() float64 { return float64(h.open()) })
	if reg != nil {
		reg.MustRegister(m.requests, m.abuses, open)
	}
	return m
}

// serve serves a connection until it ends.
func (h *http2Server) serve(c *clientConn) {
	c.used = true
	c.phase.Store(phaseBody) // so that it lingers when it is closed: a farewell must arrive
	conn := newHTTP2Conn(c, h.metrics)
	h.mu.Lock()
	h.conns[conn] = struct{}{}
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.conns, conn)
		h.mu.Unlock()
	}()
	ctx := context.WithValue(context.Background(), http2ConnKey{}, conn)
	opts := &http2.ServeConnOpts{Context: ctx, BaseConfig: &h.base, Handler: h} //nolint:staticcheck // as above
	h.codec.ServeConn(conn.forCodec(), opts)                                    //nolint:staticcheck // as above
	_ = c.Close()
}

// http2ConnKey is the connection's in a stream's context.
type http2ConnKey struct{}

// ServeHTTP answers a stream.
func (h *http2Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn := r.Context().Value(http2ConnKey{}).(*http2Conn)
	conn.activity.begin()
	defer conn.activity.end()
	h.running.Add(1)
	defer h.running.Add(-1)
	h.metrics.requests.Inc()
	x := h.streams.Get().(*stream)
	whole := x.serve(conn, w, r)
	h.streams.Put(x)
	if r.Context().Err() != nil {
		conn.brokeOff()
	}
	if !whole {
		panic(http.ErrAbortHandler) // the codec resets the stream
	}
}

func (h *http2Server) open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.conns)
}

// goAway tells all clients to send further requests elsewhere. Those that have
// begun are answered; a connection without any ends.
func (h *http2Server) goAway() { _ = h.base.Shutdown(context.Background()) }

// wait returns when the last connection has ended, and the last request. When ctx ends before, it closes
// them.
func (h *http2Server) wait(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for h.open() > 0 || h.running.Load() > 0 {
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
		}
		h.mu.Lock()
		for c := range h.conns {
			_ = c.client.raw.Close()
		}
		h.mu.Unlock()
		return ctx.Err()
	}
	return nil
}

// evict closes a connection that has had no request for a while.
func (h *http2Server) evict(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.conns {
		if c.activity.idleFor(now) > parkAfter {
			_ = c.client.raw.Close()
			return true
		}
	}
	return false
}

// activity is how many requests a connection has, and since when none.
type activity struct {
	streams atomic.Int64
	since   atomic.Int64 // Unix nanoseconds
}

func (a *activity) begin() { a.streams.Add(1) }

func (a *activity) end() {
	a.since.Store(time.Now().UnixNano())
	a.streams.Add(-1)
}

func (a *activity) idleFor(now time.Time) time.Duration {
	if a.streams.Load() > 0 {
		return 0
	}
	return time.Duration(now.UnixNano() - a.since.Load())
}
