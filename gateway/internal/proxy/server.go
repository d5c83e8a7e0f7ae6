package proxy

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
)

// ServerConfig bounds what a client may do.
type ServerConfig struct {
	MaxHeaderBytes int
	IdleTimeout    time.Duration // of a connection between requests; 0: none
	HeaderTimeout  time.Duration // of a request's header, from its first byte; 0 is ReadTimeout
	ReadTimeout    time.Duration // between two reads of a request's body; 0: none
	BodyRate       int64         // bytes per second below which a request's body ends, once it has used up ReadTimeout; 0: none
	WriteTimeout   time.Duration // between two writes that the client takes; 0: none
	ResponseRate   int64         // bytes per second that a client must take of what is there; 0: any
	MaxConnections int           // further ones are answered 503 and closed unless an idle one can go; 0: any number
	DrainIdle      time.Duration // how long Shutdown leaves connections open that ask for nothing
	TLS            TLSConfig
	// ProxyProtocol are the addresses of balancers, whose connections begin with a
	// header of the PROXY protocol.
	ProxyProtocol []netip.Prefix
	HTTP2         HTTP2Config
}

// Server serves the proxy on its listeners.
type Server struct {
	proxy     *Proxy
	config    ServerConfig
	http      fasthttp.Server
	http2     *http2Server
	clients   *clients
	draining  atomic.Bool
	drainIdle time.Duration

	mu        sync.Mutex
	tls       map[Protocols]*terminator // made with the first listener that needs it
	listeners []*listener
	ended     bool           // Shutdown was called
	serving   sync.WaitGroup // listeners
}

// NewServer makes a server. A proxy has one. reg may be nil.
func NewServer(p *Proxy, c ServerConfig, reg prometheus.Registerer) *Server {
	s := &Server{proxy: p, config: c, drainIdle: c.DrainIdle, tls: map[Protocols]*terminator{}}
	s.clients = newClients(c, s.http.ServeConn, reg)
	s.http2 = newHTTP2Server(s, c, reg)
	s.clients.evictOther = s.http2.evict
	// All time limits are clientConn's, the number of connections is clients'.
	s.http = fasthttp.Server{
		Handler:                      s.handle,
		HeaderReceived:               headerReceived,
		ReadBufferSize:               c.MaxHeaderBytes,
		Concurrency:                  math.MaxInt32,
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		NoDefaultDate:                true, // the origin's passes; see plugin.SetDate
		ExpectHandler:                p.expect,
		CloseOnShutdown:              true,
		ErrorHandler:                 p.badRequest,
		SecureErrorLogMessage:        true, // errors that say more than they quote; see reasonOf
		ConnState:                    s.connState,
		Logger:                       nullLogger{},
	}
	return s
}

// handle is the codec's handler.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	s.proxy.Handler(ctx)
	if s.draining.Load() {
		ctx.Response.SetConnectionClose()
	}
}

// headerReceived is the codec's hook. It has the codec set a read deadline before
// it reads a request's body, by which clientConn knows that there is one.
func headerReceived(h *fasthttp.RequestHeader) (c fasthttp.RequestConfig) {
	if isLaterMinor(h.Protocol()) {
		h.SetProtocolBytes(http11)
	}
	n := h.ContentLength()
	if n <= 0 && n != -1 {
		return c
	}
	c.ReadTimeout = unlimited
	// The codec knows the expectation only where it stands alone.
	if lines := h.PeekAll("Expect"); len(lines) > 0 && listsToken(lines, tokenContinue) {
		h.SetCanonical(headerExpect, tokenContinue)
		if h.IsHTTP11() {
			return c // see Proxy.expect
		}
	}
	deferBody(h)
	return c
}

// isLaterMinor tells HTTP/1.2 and later ones of the same major version, which are
// read as HTTP/1.1 (RFC 9110, 2.5).
func isLaterMinor(p []byte) bool {
	return len(p) == len(http11) && bytes.HasPrefix(p, http11[:len(http11)-1]) && p[len(p)-1] > '1'
}

// connState is the codec's hook.
func (s *Server) connState(nc net.Conn, state fasthttp.ConnState) {
	c := clientOf(nc)
	if c == nil {
		return
	}
	switch state {
	case fasthttp.StateActive:
		c.begin()
	case fasthttp.StateIdle:
		c.wait()
	case fasthttp.StateClosed: // the last that the codec does with a connection
		c.resume()
		if c.parking.Load() {
			s.clients.park(c)
			return
		}
		s.proxy.connectionClosed(nc)
	}
}

// Drain makes every answer from now on close its connection, so that clients
// move on by themselves before the listener closes.
func (s *Server) Drain() { s.draining.Store(true) }

// Shutdown stops accepting, and waits for the requests in flight until ctx
// ends. No connection is closed while a request may be on its way to it: what
// a client has sent is answered, with Connection: close. A connection that has
// asked for nothing within DrainIdle is closed then. WebSockets and the like are
// left alone until they end or ctx does.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	if listeners := s.end(); len(listeners) > 0 {
		for _, l := range listeners {
			l.finish()
		}
		s.serving.Wait()
		s.http2.goAway()
		s.settle(ctx)
	}
	s.clients.endIdle()
	err := s.http.ShutdownWithContext(ctx)
	if lost := s.proxy.waitForHandovers(ctx); err == nil {
		err = lost
	}
	if lost := s.http2.wait(ctx); err == nil {
		err = lost
	}
	s.clients.end(ctx)
	if err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	return nil
}

// end allows no further listeners, and returns those that there are.
func (s *Server) end() []*listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	return s.listeners
}

// settle waits until the clients have gone by themselves, or only idle ones
// are left and their time is up.
func (s *Server) settle(ctx context.Context) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	patience := time.After(s.drainIdle)
	impatient := false
	for {
		// fasthttp takes one off for the listener, which is gone.
		open := int64(s.http.GetOpenConnectionsCount()) + 1 + s.clients.parked.Load() + s.clients.undecided() + int64(s.http2.open())
		if open <= 0 || impatient && s.proxy.inFlight() == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-patience:
			impatient = true
		case <-tick.C:
		}
	}
}

// nullLogger drops fasthttp's own lines: what matters of them is in the metrics and
// the access log, and a client that resets its connection is no news.
type nullLogger struct{}

func (nullLogger) Printf(string, ...any) {}
