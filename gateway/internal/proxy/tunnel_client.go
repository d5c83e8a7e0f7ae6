package proxy

import (
	"net"
	"runtime"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/socket"
)

// smallMessage is what a tunnel over TLS reads without a buffer from a pool, in bytes.
const smallMessage = 512

// handOver is takeOver for a connection that is no longer HTTP's, and may be idle for
// long. The codec's reader, which has room for the longest header, is not kept with it:
// early is what it had read already. use closes the connection.
func (h *handovers) handOver(ctx *fasthttp.RequestCtx, use func(early []byte), lost func()) {
	c := ctx.Conn()
	h.note(ctx, lost)
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(hijacked net.Conn) {
		early := readAhead(hijacked, clientOf(c))
		go func() {
			defer h.remove(c)
			use(early)
		}()
		// The codec would close the connection, and use the request again, which is
		// logged at the end of the tunnel. Without it, nothing refers to the reader.
		runtime.Goexit()
	})
}

// readAhead returns what the codec's reader has read of the connection beyond the
// request, without waiting for more.
func readAhead(hijacked net.Conn, c *clientConn) (early []byte) {
	c.drained = true
	defer func() { c.drained = false }()
	for b := make([]byte, smallMessage); ; {
		n, err := hijacked.Read(b)
		early = append(early, b[:n]...)
		if err != nil {
			return early
		}
	}
}

// clientEnd is the client's end of a tunnel.
type clientEnd struct {
	*clientConn
	socket *socket.Conn
	early  []byte // was read with the request
	small  []byte // over TLS
}

func newClientEnd(c *clientConn, early []byte) *clientEnd {
	s, ok := c.raw.(*socket.Conn)
	if !ok {
		s = socket.New(c.raw)
	}
	e := &clientEnd{clientConn: c, socket: s, early: early}
	if c.secure != nil {
		e.small = make([]byte, smallMessage)
	}
	return e
}

// ReadScratch is Read into a buffer that is taken when there is something to read.
func (e *clientEnd) ReadScratch(s *socket.Scratch) ([]byte, error) {
	if early := e.early; len(early) > 0 {
		e.early = nil
		return early, nil
	}
	if e.secure != nil {
		return s.ReadLayered(e, e.small)
	}
	return e.socket.ReadScratch(s)
}

// ReadNow is socket.Layered's.
func (e *clientEnd) ReadNow(b []byte) (int, error) {
	if !e.socket.IsPollable() {
		return 0, socket.ErrNothing
	}
	e.secure.wire.polled = e.socket
	defer func() { e.secure.wire.polled = nil }()
	return e.secure.conn.Read(b)
}
