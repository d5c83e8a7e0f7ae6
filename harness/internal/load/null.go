package load

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// nullBody is what the null server answers to everything.
const nullBody = `{"id":"null","object":"model","created":1700000000,"owned_by":"gatelab"}`

// NullServer answers every request at once with a small fixed body and its
// hash. What the generator reaches against it is the ceiling of all that can be
// measured.
type NullServer struct{ server *fasthttp.Server }

// NewNullServer makes a null server that is not listening yet.
func NewNullServer() *NullServer {
	body, hash := []byte(nullBody), hashOf([]byte(nullBody))
	return &NullServer{&fasthttp.Server{
		Name:                  "null",
		NoDefaultDate:         true,
		NoDefaultServerHeader: true,
		Concurrency:           maxConnections,
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

// Serve answers on l until Shutdown.
func (n *NullServer) Serve(l net.Listener) error {
	if err := n.server.Serve(l); err != nil {
		return fmt.Errorf("null server: %w", err)
	}
	return nil
}

// Shutdown ends the listener and waits for the connections in use, until ctx
// ends. Idle ones are closed.
func (n *NullServer) Shutdown(ctx context.Context) error {
	return n.server.ShutdownWithContext(ctx)
}
