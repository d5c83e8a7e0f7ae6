package proxy

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// ServerConfig bounds what a client may do.
type ServerConfig struct {
	MaxHeaderBytes int
	IdleTimeout    time.Duration // of a connection between requests; 0: none
	HeaderTimeout  time.Duration // of a request's header, from its first byte; 0 is ReadTimeout
	ReadTimeout    time.Duration // between two reads of a request's body; 0: none
	BodyRate       int64         // bytes a second below which a request's body ends, once it has used up ReadTimeout; 0: none
	WriteTimeout   time.Duration // between two writes that the client takes; 0: none
	ResponseRate   int64         // bytes a second that a client must take of what is there; 0: any
	MaxConnections int           // further ones are answered 503 and closed unless an idle one can go; 0: any number
	DrainIdle      time.Duration // how long Shutdown leaves connections open that ask for nothing
}

// Server serves the proxy on a listener.
type Server struct {
	proxy     *Proxy
	http      fasthttp.Server
	drainIdle time.Duration
	listener  atomic.Pointer[listener]
	served    chan struct{} // closed when Serve has returned
}

// NewServer makes a server of HTTP/1.1. A proxy has one.
func NewServer(p *Proxy, c ServerConfig) *Server {
	s := &Server{proxy: p, drainIdle: c.DrainIdle, served: make(chan struct{})}
	p.clients.bounds, p.clients.most, p.clients.serve = newBounds(c), int64(c.MaxConnections), s.http.ServeConn
	// All time limits are clientConn's, the number of connections is clients'.
	s.http = fasthttp.Server{
		Handler:                      p.Handler,
		HeaderReceived:               announceBody,
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
		ConnState:                    p.connState,
		Logger:                       quiet{},
	}
	return s
}

// announceBody has the codec set a read deadline before it reads a request's
// body, by which clientConn knows that there is one.
func announceBody(h *fasthttp.RequestHeader) (c fasthttp.RequestConfig) {
	if n := h.ContentLength(); n > 0 || n == -1 {
		c.ReadTimeout = unlimited
		// The codec reads so much of a body of known length before it asks the
		// handler, which may refuse it by its header alone.
		c.MaxRequestBodySize = 1
		// The codec knows the expectation only where it stands alone.
		if lines := h.PeekAll("Expect"); len(lines) > 0 && listsToken(lines, tokenContinue) {
			h.SetCanonical(headerExpect, tokenContinue)
		}
	}
	return c
}

// connState is the codec's hook.
func (p *Proxy) connState(nc net.Conn, s fasthttp.ConnState) {
	c, ok := nc.(*clientConn)
	if !ok {
		return
	}
	switch s {
	case fasthttp.StateActive:
		c.begin()
	case fasthttp.StateIdle:
		c.wait()
	case fasthttp.StateClosed: // the last that the codec does with a connection
		c.resume()
		if c.parking.Load() {
			p.clients.park(c)
			return
		}
		p.handovers.closed(nc)
	}
}

// Serve answers until Shutdown. It is called once.
func (s *Server) Serve(ln net.Listener) error {
	defer close(s.served)
	l := newListener(ln, s.proxy.clients)
	s.listener.Store(l)
	if err := s.http.Serve(l); err != nil {
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	}
	return nil
}

// Drain makes every answer from now on close its connection, so that clients
// move on by themselves before the listener closes.
func (s *Server) Drain() { s.proxy.draining.Store(true) }

// Shutdown stops accepting, and waits for the requests in flight until ctx
// ends. No connection is closed while a request may be on its way to it: what
// a client has sent is answered, with Connection: close. A connection that has
// asked for nothing within DrainIdle is closed then. WebSockets and the like are
// left alone until they end or ctx does.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	if l := s.listener.Load(); l != nil {
		l.finish()
		<-s.served
		s.settle(ctx)
	}
	s.proxy.clients.endIdle()
	err := s.http.ShutdownWithContext(ctx)
	if lost := s.proxy.handovers.wait(ctx); err == nil {
		err = lost
	}
	s.proxy.clients.end(ctx)
	if err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	return nil
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
		open := int64(s.http.GetOpenConnectionsCount()) + 1 + s.proxy.clients.parked.Load()
		if open <= 0 || impatient && s.proxy.busy.Load() == 0 {
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

// badRequest answers what cannot be parsed.
func (p *Proxy) badRequest(ctx *fasthttp.RequestCtx, err error) {
	status, message := fasthttp.StatusBadRequest, "Bad request"
	var small *fasthttp.ErrSmallBuffer
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &small):
		status, message = fasthttp.StatusRequestHeaderFieldsTooLarge, "Request header or cookie too large"
	case errors.As(err, &timeout) && timeout.Timeout():
		status, message = fasthttp.StatusRequestTimeout, "Request timeout"
	}
	if c, ok := ctx.Conn().(*clientConn); ok {
		c.phase.Store(phaseBody) // the rest of it may be on its way
	}
	r := &ctx.Response
	r.Reset()
	r.SetStatusCode(status)
	r.Header.SetContentTypeBytes(jsonType)
	r.Header.SetCanonical(headerServer, serverValue)
	r.SetBodyString(`{"message":"` + message + `"}`)
	r.SetConnectionClose()
	p.metrics.unknown.count(status)
}

// quiet drops fasthttp's own lines: what matters of them is in the metrics and
// the access log, and a client that resets its connection is no news.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
