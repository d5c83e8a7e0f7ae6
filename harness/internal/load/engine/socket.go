package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// errMismatch marks a message that is not the echo of the one that was sent.
var errMismatch = errors.New("the echo differs")

// open dials a connection for a drawn request and, of an attack over WebSockets, makes the handshake. refused: the target answered it with
// a status, which is in c.res, in place of a WebSocket.
func (r *run) open(ctx context.Context, c *conn, d draw, timeout time.Duration, first bool) (refused bool, err error) {
	n, err := r.dialer.dial(ctx, timeout, first)
	if err != nil {
		return false, err
	}
	c.attach(n)
	c.idle = time.Time{}
	if !r.attack.WebSocket {
		return false, nil
	}
	return c.upgrade(ctx, r.plan, d, timeout)
}

// upgrade makes a connection a WebSocket.
func (c *conn) upgrade(ctx context.Context, p *plan, d draw, timeout time.Duration) (refused bool, err error) {
	dialer := websocket.Dialer{
		NetDialContext:   func(context.Context, string, string) (net.Conn, error) { return c.net, nil },
		HandshakeTimeout: timeout, ReadBufferSize: firstBuffer, WriteBufferSize: firstBuffer,
	}
	url := "ws://" + p.host(d.req.Request) + string(d.req.bytes.appendPath(nil, d.id))
	ws, res, err := dialer.DialContext(ctx, url, p.header(d)) //nolint:bodyclose // the library has read what it gives
	switch {
	case err == nil:
		c.socket = ws
		return false, nil
	case errors.Is(err, websocket.ErrBadHandshake) && res.StatusCode != http.StatusSwitchingProtocols:
		c.res.response = response{status: res.StatusCode}
		c.res.close = true
		return true, nil
	case errors.Is(err, websocket.ErrBadHandshake):
		return false, fmt.Errorf("%w: handshake with Upgrade %q, Connection %q and another Sec-WebSocket-Accept or none", errMalformed,
			res.Header.Get("Upgrade"), res.Header.Get("Connection"))
	}
	return false, err
}

// header is what a drawn request says beside what the protocol needs.
func (p *plan) header(d draw) http.Header {
	out := http.Header{"User-Agent": {userAgent}}
	for k, v := range d.req.Header {
		if !strings.EqualFold(k, "Host") {
			out.Set(k, v)
		}
	}
	if d.req.Addresses > 0 {
		out.Set(load.AddressHeader, string(load.AppendAddress(nil, d.from)))
	}
	if key := p.key(d); key != "" {
		out.Set(keyHeader, key)
	}
	return out
}

// message sends a drawn request's body as a message, and reads the message that answers it, which is to be the same.
func (c *conn) message(d draw, deadline time.Time, timeout time.Duration) error {
	if err := c.within(deadline, timeout); err != nil {
		return err
	}
	c.out = d.req.bytes.appendBody(c.out[:0], d.id)
	if err := c.socket.WriteMessage(websocket.TextMessage, c.out); err != nil {
		return err
	}
	kind, from, err := c.socket.NextReader()
	if err != nil {
		return err
	}
	c.echo.Reset()
	if _, err := c.echo.ReadFrom(io.LimitReader(from, int64(len(c.out))+1)); err != nil {
		return err
	}
	if kind != websocket.TextMessage || !bytes.Equal(c.echo.Bytes(), c.out) {
		return fmt.Errorf("%w: a message of kind %d and %d bytes for one of %d", errMismatch, kind, c.echo.Len(), len(c.out))
	}
	c.res.response = response{status: http.StatusSwitchingProtocols, size: len(c.out)}
	c.res.close = false
	c.res.cache, c.res.node = nil, nil
	c.res.edge = nil
	return nil
}
