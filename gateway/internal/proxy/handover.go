package proxy

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// handovers are the client connections that the server gives away after a
// handler: those that switch protocols, and those whose end is the body's end.
// The server does not count them among its own any more.
type handovers struct {
	mu    sync.Mutex
	all   map[net.Conn]func()
	count atomic.Int64

	accepted atomic.Uint64 // all connections since the start
}

// takeOver has use called with the client's connection, in a goroutine of its
// own, in place of a response: use writes the head too. The server would not
// call it after a response that closes the connection, as all do in a drain.
// Where the server loses the connection before it gives it away (to an earlier
// answer of a pipeline that could not be sent), lost is called instead.
func (h *handovers) takeOver(ctx *fasthttp.RequestCtx, use func(client net.Conn), lost func()) {
	c := ctx.Conn()
	h.mu.Lock()
	if h.all == nil {
		h.all = map[net.Conn]func(){}
	}
	h.all[c] = lost
	h.mu.Unlock()
	h.count.Add(1)
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(client net.Conn) {
		defer h.remove(c)
		use(client)
	})
}

func (h *handovers) remove(c net.Conn) (lost func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	lost, ok := h.all[c]
	if ok {
		delete(h.all, c)
		h.count.Add(-1)
	}
	return lost
}

// state is the server's hook. A connection that was given away never reaches
// StateClosed.
func (h *handovers) state(c net.Conn, s fasthttp.ConnState) {
	if s == fasthttp.StateNew {
		h.accepted.Add(1)
	}
	if s != fasthttp.StateClosed || h.count.Load() == 0 {
		return
	}
	if lost := h.remove(c); lost != nil {
		lost()
	}
}

// wait returns when the last of the connections has ended, or ctx has: then
// those that are left are closed.
func (h *handovers) wait(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for h.count.Load() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			h.mu.Lock()
			defer h.mu.Unlock()
			for c := range h.all {
				_ = c.Close()
			}
			return ctx.Err()
		}
	}
	return nil
}

// splice joins the client's connection with the upstream's after 101. Whatever
// becomes of the client, the upstream's connection is closed.
func (v *visit) splice() {
	peer := v.call.Upgraded
	head := append([]byte(nil), v.Ctx.Response.Header.Header()...)
	v.proxy.handovers.takeOver(v.Ctx, func(client net.Conn) {
		defer peer.Close()
		if _, err := client.Write(head); err != nil {
			return
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(peer, client)
			_ = peer.Close()
		}()
		_, _ = io.Copy(client, peer)
		_ = client.Close()
		<-done
	}, func() { _ = peer.Close() })
}

// withoutChunks has a body of unknown length end with the connection: an
// HTTP/1.0 client cannot read chunks, which are all that the server's codec
// has for it.
func (v *visit) withoutChunks() {
	r := &v.Ctx.Response
	r.Header.Del("Transfer-Encoding")
	r.Header.SetContentLength(-2)
	r.Header.SetConnectionClose()
	head := append([]byte(nil), r.Header.Header()...)
	body := r.BodyStream()
	end := func() { _ = r.CloseBodyStream() } // finishes the visit
	v.proxy.handovers.takeOver(v.Ctx, func(client net.Conn) {
		defer end()
		if _, err := client.Write(head); err == nil {
			_, _ = io.Copy(struct{ io.Writer }{client}, body)
		}
	}, end)
}
