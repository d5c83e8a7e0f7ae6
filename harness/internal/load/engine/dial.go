package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// standbyAfter is how long a client that has a second entry point waits for the
// first one to take its connection.
const standbyAfter = 500 * time.Millisecond

// dialer opens an attack's connections and closes them all at the end.
type dialer struct {
	address string
	standby string      // host:port where the address takes no connection; empty: none
	secure  *tls.Config // of an https target; nil: none
	window  func() bool // true in the measured window
	count   func()      // called for each connection opened in it

	mu    sync.Mutex
	open  map[net.Conn]struct{}
	ended bool
}

func newDialer(address string, window func() bool, count func()) *dialer {
	return &dialer{address: address, window: window, count: count, open: map[net.Conn]struct{}{}}
}

// dial opens a connection within the time-out. first: the connection is one
// that the attack begins with, and not counted.
func (d *dialer) dial(ctx context.Context, timeout time.Duration, first bool) (net.Conn, error) {
	nd := net.Dialer{Timeout: timeout, KeepAlive: -1}
	if d.standby != "" {
		nd.Timeout = min(timeout, standbyAfter)
	}
	c, err := nd.DialContext(ctx, "tcp", d.address)
	if err != nil && d.standby != "" && ctx.Err() == nil {
		// As a client does that knows two entry points: at once where the first
		// one refuses, and after a while where it is silent.
		c, err = nd.DialContext(ctx, "tcp", d.standby)
	}
	if err != nil {
		return nil, err
	}
	if d.secure != nil {
		if c, err = handshake(ctx, c, d.secure, timeout); err != nil {
			return nil, err
		}
	}
	if !first && d.window() {
		d.count()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		c.Close()
		return nil, net.ErrClosed
	}
	d.open[c] = struct{}{}
	return c, nil
}

// close ends one connection. One that is given up in the middle of an exchange is
// reset: nothing that still comes on it is wanted, and its port is free at once.
// Thousands of ports in TIME_WAIT make each new connection search for a free one,
// which takes the generator's CPU just when the target is slow already.
func (d *dialer) close(c net.Conn, givenUp bool) {
	d.mu.Lock()
	delete(d.open, c)
	d.mu.Unlock()
	if s, ok := c.(*tls.Conn); ok && givenUp {
		c = s.NetConn()
	}
	if t, ok := c.(*net.TCPConn); ok && givenUp {
		_ = t.SetLinger(0)
	}
	c.Close()
}

// closeAll ends every connection, also those that are being opened.
func (d *dialer) closeAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	for c := range d.open {
		c.Close()
	}
	clear(d.open)
}

// errHandshake marks what went wrong before the first request on a connection.
var errHandshake = errors.New("TLS handshake")

// handshake makes a connection one with TLS, or closes it.
func handshake(ctx context.Context, c net.Conn, config *tls.Config, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	s := tls.Client(c, config)
	if err := s.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("%w: %w", errHandshake, err)
	}
	if want := config.NextProtos[0]; want == protoHTTP2 && s.ConnectionState().NegotiatedProtocol != want {
		c.Close()
		return nil, fmt.Errorf("%w: the target speaks %q, want %s", errHandshake, s.ConnectionState().NegotiatedProtocol, want)
	}
	return s, nil
}

// Names of protocols in TLS (ALPN).
const (
	protoHTTP1 = "http/1.1"
	protoHTTP2 = "h2"
)

// clientTLS is how an attack's connections are secured: TLS 1.3, and a full handshake on each.
func clientTLS(a *load.Attack) (*tls.Config, error) {
	if a.TLS == nil {
		return nil, nil //nolint:nilnil // none is asked for
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(a.TLS.Roots)) {
		return nil, errors.New("tls: roots: want certificates in PEM")
	}
	out := &tls.Config{RootCAs: roots, ServerName: a.TLS.Name, MinVersion: tls.VersionTLS13, NextProtos: []string{protoHTTP1}}
	if a.Streams > 0 {
		out.NextProtos = []string{protoHTTP2}
	}
	return out, nil
}
