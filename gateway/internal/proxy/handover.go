package proxy

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// handovers are the client connections that the server gives away after a
// handler: those that switch protocols, and those whose end is the body's end.
// The server does not count them among its own any more.
type handovers struct {
	mu    sync.Mutex
	all   map[net.Conn]func()
	count atomic.Int64
	cut   atomic.Bool // a drain has closed those that were left
}

// connectionClosed is called for each connection that the server closes. One that
// was given away is not among them.
func (p *Proxy) connectionClosed(c net.Conn) { p.handovers.closed(c) }

// waitForHandovers returns when the last connection that was given away has
// ended, or ctx has.
func (p *Proxy) waitForHandovers(ctx context.Context) error { return p.handovers.wait(ctx) }

// takeOver has use called with the client's connection, in a goroutine of its
// own, in place of a response: use writes the head too. The server would not
// call it after a response that closes the connection, as all do in a drain.
// Where the server loses the connection before it gives it away (to an earlier
// answer of a pipeline that could not be sent), lost is called instead.
func (h *handovers) takeOver(ctx *fasthttp.RequestCtx, use func(client net.Conn), lost func()) {
	c := ctx.Conn()
	h.note(ctx, lost)
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(client net.Conn) {
		defer h.remove(c)
		use(client)
	})
}

// note counts a connection that will be given away.
func (h *handovers) note(ctx *fasthttp.RequestCtx, lost func()) {
	c := ctx.Conn()
	h.mu.Lock()
	if h.all == nil {
		h.all = map[net.Conn]func(){}
	}
	h.all[c] = lost
	h.mu.Unlock()
	h.count.Add(1)
	if client := clientOf(c); client != nil {
		client.giveAway()
	}
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

// closed tells who waits for a connection to be given away that it never will.
func (h *handovers) closed(c net.Conn) {
	if h.count.Load() == 0 {
		return
	}
	if lost := h.remove(c); lost != nil {
		lost()
	}
}

// wait returns when the last of the connections has ended. When ctx ends before,
// it closes them, and gives what uses them a moment to say so in the log.
func (h *handovers) wait(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for h.count.Load() > 0 {
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
		}
		h.cut.Store(true)
		h.mu.Lock()
		for c := range h.all {
			_ = c.Close()
		}
		h.mu.Unlock()
		for range 100 {
			if h.count.Load() == 0 {
				break
			}
			<-tick.C
		}
		return ctx.Err()
	}
	return nil
}

// withoutChunks has a body of unknown length end with the connection: an
// HTTP/1.0 client cannot read chunks, which are all that the server's codec
// has for it. A body that breaks off resets the connection, or it would look
// whole.
func (v *visit) withoutChunks() {
	r := &v.Ctx.Response
	plugin.DeleteResponseField(&r.Header, fasthttp.HeaderTransferEncoding)
	r.Header.SetContentLength(-2)
	r.Header.SetConnectionClose()
	head := append([]byte(nil), r.Header.Header()...)
	body := r.BodyStream()
	end := func() { _ = r.CloseBodyStream() } // finishes the visit
	c := clientOf(v.Ctx.Conn())
	phase := phaseHeader
	if c != nil {
		phase = c.phase.Load()
	}
	v.proxy.handovers.takeOver(v.Ctx, func(client net.Conn) {
		defer end()
		_, err := client.Write(head)
		if err == nil {
			_, err = io.Copy(struct{ io.Writer }{client}, body)
		}
		if c != nil {
			c.phase.Store(phase) // the request's body may still be coming
			c.abort.Store(err != nil)
		}
	}, end)
}
