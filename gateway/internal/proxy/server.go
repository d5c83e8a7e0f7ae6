package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// ServerConfig bounds what a client may do.
type ServerConfig struct {
	MaxHeaderBytes int
	IdleTimeout    time.Duration // of a connection between requests
	ReadTimeout    time.Duration // of a request's header and short body, and between two reads of a long one
	WriteTimeout   time.Duration // 0: none, which streams need
	MaxConnections int           // further ones are answered 503 and closed; 0 is fasthttp's 262,144
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

// NewServer makes a server of HTTP/1.1.
func NewServer(p *Proxy, c ServerConfig) *Server {
	s := &Server{proxy: p, drainIdle: c.DrainIdle, served: make(chan struct{})}
	p.bodyPause = c.ReadTimeout
	s.http = fasthttp.Server{
		Handler:                      p.Handler,
		ReadBufferSize:               c.MaxHeaderBytes,
		IdleTimeout:                  c.IdleTimeout,
		ReadTimeout:                  c.ReadTimeout,
		WriteTimeout:                 c.WriteTimeout,
		Concurrency:                  c.MaxConnections,
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		NoDefaultDate:                true, // the origin's passes; see setDate
		ExpectHandler:                p.expect,
		CloseOnShutdown:              true,
		TCPKeepalive:                 true,
		ErrorHandler:                 p.badRequest,
		ConnState:                    p.handovers.state,
		Logger:                       quiet{},
	}
	return s
}

// Serve answers until Shutdown. It is called once.
func (s *Server) Serve(ln net.Listener) error {
	defer close(s.served)
	l := newListener(ln)
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
	err := s.http.ShutdownWithContext(ctx)
	if lost := s.proxy.handovers.wait(ctx); err == nil {
		err = lost
	}
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
		open := s.http.GetOpenConnectionsCount() + 1
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
	if errors.As(err, &small) {
		status, message = fasthttp.StatusRequestHeaderFieldsTooLarge, "Request header or cookie too large"
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
