package engine

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// nullBody is the body of every response of the null server.
const nullBody = `{"id":"null","object":"model","created":1700000000,"owned_by":"gatelab"}`

// NullServer responds to every request at once with a small fixed body and its
// hash. What the generator reaches against it is the ceiling of all that can be
// measured.
type NullServer struct {
	server *fasthttp.Server

	mu       sync.Mutex // guards what follows
	listener net.Listener
	ended    bool // Shutdown was called
}

// NewNullServer makes a null server that is not listening yet.
func NewNullServer() *NullServer {
	body, hash := []byte(nullBody), hashOf([]byte(nullBody))
	return &NullServer{server: &fasthttp.Server{
		Name:                  "null",
		NoDefaultDate:         true,
		NoDefaultServerHeader: true,
		Concurrency:           load.MaxConnections,
		ReadTimeout:           time.Minute,
		IdleTimeout:           time.Minute,
		CloseOnShutdown:       true,
		Handler: func(ctx *fasthttp.RequestCtx) {
			ctx.SetContentType("application/json")
			ctx.Response.Header.Set("X-Origin-Body", hash)
			ctx.SetBody(body)
		},
	}}
}

// Serve serves connections of l until Shutdown. After Shutdown it closes l and returns at once.
func (n *NullServer) Serve(l net.Listener) error {
	n.mu.Lock()
	ended := n.ended
	n.listener = l
	n.mu.Unlock()
	if ended {
		return l.Close()
	}
	err := n.server.Serve(l)
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil && !n.ended {
		return fmt.Errorf("null server: %w", err)
	}
	return nil
}

// Shutdown ends the listener and waits for the connections in use, until ctx
// ends. Idle ones are closed.
func (n *NullServer) Shutdown(ctx context.Context) error {
	n.mu.Lock()
	n.ended = true
	l := n.listener
	n.mu.Unlock()
	err := n.server.ShutdownWithContext(ctx)
	if l != nil {
		_ = l.Close() // the server closes it only if it serves it already
	}
	return err
}
