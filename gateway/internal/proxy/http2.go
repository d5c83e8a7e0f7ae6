package proxy

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/h2"
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
	// fieldBytes is what HTTP/2 counts for some fields beside their names and values.
	fieldBytes = 10 * 32
	// settingsWait is how long a client may take to acknowledge the settings.
	settingsWait = 30 * time.Second
)

// http2Server serves connections of HTTP/2. What it makes of a stream is answered
// by the same handler as a request of HTTP/1.1.
type http2Server struct {
	server  *Server
	codec   *h2.Server
	streams sync.Pool
	metrics *http2Metrics

	running atomic.Int64 // requests; they may outlive their connections

	mu      sync.Mutex
	conns   map[*http2Conn]struct{}
	leaving bool // goAway was called
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
	header := c.MaxHeaderBytes
	if header == 0 {
		header = http.DefaultMaxHeaderBytes
	}
	h.codec = h2.NewServer(h2.Config{
		Streams: c.HTTP2.MaxStreams, HeaderBytes: header + fieldBytes, StreamWindow: streamWindow, ConnWindow: connectionWindow,
		Idle: s.clients.bounds.idle, Settings: settingsWait, Handle: h.handle, Panicked: h.panicked,
	})
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
	conn.codec = h.codec.NewConn(conn)
	h.mu.Lock()
	h.conns[conn] = struct{}{}
	if h.leaving { // it came before the listener closed
		conn.codec.GoAway()
	}
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.conns, conn)
		h.mu.Unlock()
	}()
	conn.codec.Serve()
	_ = c.Close()
}

// handle answers a stream.
func (h *http2Server) handle(s *h2.Stream) {
	conn := s.Transport().(*http2Conn)
	conn.activity.begin()
	defer conn.activity.end()
	h.running.Add(1)
	defer h.running.Add(-1)
	h.metrics.requests.Inc()
	x := h.streams.Get().(*stream)
	x.serve(conn, s) // what is not answered whole is reset
	h.streams.Put(x)
	if s.Gone() {
		conn.brokeOff()
	}
}

// panicked notes a bug beside the handler's, which answers for its own.
func (h *http2Server) panicked(reason any, stack []byte) {
	h.server.proxy.metrics.panics.Inc()
	h.server.proxy.log.Error("panic while answering over HTTP/2", "panic", fmt.Sprint(reason), "stack", string(stack))
}

func (h *http2Server) open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.conns)
}

// goAway tells all clients to send further requests elsewhere. Those that have
// begun are answered; a connection without any ends.
func (h *http2Server) goAway() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leaving = true
	for c := range h.conns {
		c.codec.GoAway()
	}
}

// wait returns when the last connection has ended, and the last request. When ctx ends before, it closes
// them.
func (h *http2Server) wait(ctx context.Context) error {
	defer h.codec.Close()
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
		if c.activity.idleFor(now) > parkAfter && c.codec.IsIdle() {
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
