package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/socket"
)

// secureLayer is what a client's connection over TLS has beside one without.
type secureLayer struct {
	conn  *tls.Conn
	wire  wire
	state tls.ConnectionState       // once the handshake is over
	shown *plugin.ClientCertificate // nil: the client has shown none
}

// wire is the connection below TLS. Time limits of writing are held here: to
// crypto/tls a write that was interrupted is the end of the connection. Those of
// reading are held above, where it is known what is read; wire counts the bytes
// that came, since a record that comes slowly is no silence.
type wire struct {
	net.Conn
	client *clientConn
	came   atomic.Int64 // bytes since taken
	polled *socket.Conn // Read takes what is there, and does not wait; nil: it waits
	until  atomic.Int64 // Unix nanoseconds, after which nothing is written; 0: no such limit
}

// Read is net.Conn's.
func (w *wire) Read(b []byte) (n int, err error) {
	if w.polled != nil {
		n, err = w.polled.ReadNow(b)
	} else {
		n, err = w.Conn.Read(b)
	}
	w.came.Add(int64(n))
	return n, err
}

// Write is net.Conn's.
func (w *wire) Write(b []byte) (int, error) { return w.client.writePaced(w.Conn, b, w.until.Load()) }

// SetWriteDeadline is net.Conn's; crypto/tls sets one before it says goodbye.
func (w *wire) SetWriteDeadline(t time.Time) error {
	if t.IsZero() {
		w.until.Store(0)
	} else {
		w.until.Store(t.UnixNano())
	}
	return nil
}

// SetDeadline is net.Conn's.
func (w *wire) SetDeadline(t time.Time) error {
	_ = w.SetWriteDeadline(t)
	return w.SetReadDeadline(t)
}

// taken returns how many bytes have come since it was called last.
func (w *wire) taken() int { return int(w.came.Swap(0)) }

// tlsClient is a connection over TLS as the codec sees it: by its two further
// methods the codec knows that it is one.
type tlsClient struct{ *clientConn }

// Handshake is *tls.Conn's. It was made before the codec got the connection.
func (c tlsClient) Handshake() error { return nil }

// ConnectionState is *tls.Conn's.
func (c tlsClient) ConnectionState() tls.ConnectionState { return c.secure.state }

// secured are connections over TLS, and what comes over them.
type secured interface{ tlsLayer() *secureLayer }

func (c tlsClient) tlsLayer() *secureLayer { return c.secure }

// clientOf is the client's connection behind one that the codec knows; nil for
// another listener's.
func clientOf(c net.Conn) *clientConn {
	switch c := c.(type) {
	case *clientConn:
		return c
	case tlsClient:
		return c.clientConn
	}
	return nil
}

// forCodec is the connection as the codec gets it.
func (c *clientConn) forCodec() net.Conn {
	if c.secure != nil {
		return tlsClient{c}
	}
	return c
}

// errPlain says that the client did not begin with TLS.
var errPlain = errors.New("the client speaks HTTP without TLS")

// handshake makes the connection one over TLS. It has as long as a request's
// header.
func (c *clientConn) handshake(config *tls.Config) error {
	s := &secureLayer{wire: wire{Conn: c.raw, client: c}}
	s.conn = tls.Server(&s.wire, config)
	c.secure, c.Conn = s, s.conn
	if err := c.raw.SetReadDeadline(time.Now().Add(c.all.bounds.header)); err != nil {
		return err
	}
	err := s.conn.HandshakeContext(context.Background())
	var record tls.RecordHeaderError
	if errors.As(err, &record) && record.Conn != nil && isMethod(record.RecordHeader[:]) {
		return errPlain
	}
	if err != nil {
		return err
	}
	s.wire.taken()
	s.state = s.conn.ConnectionState()
	if chain := s.state.PeerCertificates; len(chain) > 0 {
		s.shown = &plugin.ClientCertificate{Chain: chain}
	}
	return nil
}

// isMethod tells whether bytes can be the beginning of a request line.
func isMethod(b []byte) bool {
	for i, c := range b {
		if c == ' ' && i >= 3 {
			return true
		}
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}

const wantsTLS = `{"message":"The plain HTTP request was sent to an HTTPS listener"}`

// refuseHandshake ends a connection whose handshake failed.
func (c *clientConn) refuseHandshake(err error) {
	c.all.metrics.handshakeFailed(err)
	if errors.Is(err, errPlain) {
		c.secure, c.Conn = nil, c.raw
		c.phase.Store(phaseBody) // the request is on its way
		_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nServer: gatelab\r\nConnection: close\r\n"+
			"Content-Type: application/json; charset=utf-8\r\nContent-Length: "+strconv.Itoa(len(wantsTLS))+"\r\n\r\n"+wantsTLS)
	} else {
		c.abandon.Store(true) // the handshake has said what there was to say
	}
	_ = c.Close()
}

// isGone tells whether the peer of a TLS connection has closed it. Before that it
// has said goodbye as a rule, which is not read meanwhile, so that there being
// something to read tells nothing.
func (c tlsClient) isGone() bool { return hungUp(c.clientConn) }

// beganRecord tells whether a part of a record has come since anything was read.
func (c *clientConn) beganRecord() bool { return c.secure != nil && c.secure.wire.came.Load() > 0 }

// progress is how much a read has brought: what it returned, or over TLS what
// came for it.
func (c *clientConn) progress(n int) int {
	if c.secure == nil {
		return n
	}
	return c.secure.wire.taken()
}
