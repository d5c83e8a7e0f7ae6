package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

const (
	// mostFrame is the longest frame that targets may send, in bytes.
	mostFrame = 64 << 10
	// streamWindow is how many bytes of an answer a target may send ahead of its
	// client: they are in memory. The codec's own window is 4 MiB.
	streamWindow = 256 << 10
	// A connection from which nothing has come for pingAfter is asked whether it
	// still works, and has pingWait to answer: requests on one that does not would
	// wait for their time limit.
	pingAfter = 30 * time.Second
	pingWait  = 15 * time.Second
)

// http2Conn is one connection to a target that speaks HTTP/2. It carries many
// requests at a time.
type http2Conn struct {
	*http2.ClientConn
	name string // that TLS asked for; "" without
}

// http2Pool keeps the connections to one target.
type http2Pool struct {
	codec   *http2.Transport //nolint:staticcheck // http.Transport has no say in how its connections are shared
	most    int              // connections that are kept while idle; 0: one for each request
	dialing chan struct{}    // holds one while a connection is made

	mu     sync.Mutex
	conns  []*http2Conn
	closed bool
}

func newHTTP2Pool(c *Config) *http2Pool {
	// The window can be set by way of an http.Transport only. It fails for one that
	// has the protocol already, and this one is new.
	h := &http.Transport{HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: streamWindow}}
	codec, _ := http2.ConfigureTransports(h)        //nolint:staticcheck // see http2Pool
	codec.DisableCompression = true                 //nolint:staticcheck // as above
	codec.MaxHeaderListSize = uint32(c.HeaderBytes) //nolint:staticcheck,gosec // as above; a setting of at most 16 MiB
	codec.MaxReadFrameSize = mostFrame              //nolint:staticcheck // as above
	codec.IdleConnTimeout = c.KeepaliveIdle         //nolint:staticcheck // as above
	codec.ReadIdleTimeout = pingAfter               //nolint:staticcheck // as above
	codec.PingTimeout = pingWait                    //nolint:staticcheck // as above
	return &http2Pool{most: c.Keepalive, dialing: make(chan struct{}, 1), codec: codec}
}

// take reserves a place for a request, on a connection that there is or a new one.
func (h *http2Pool) take(t *Target, timeout time.Duration, name string) (k *http2Conn, reused bool, err error) {
	if k = h.reserve(name); k != nil {
		return k, true, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	select {
	case h.dialing <- struct{}{}: // requests that come together share the connection that is made
	case <-ctx.Done():
		return nil, false, &DialError{Address: t.Address, Err: ctx.Err()}
	}
	defer func() { <-h.dialing }()
	if k = h.reserve(name); k != nil {
		return k, true, nil
	}
	if k, err = t.dialHTTP2(ctx, h.codec, name); err != nil {
		return nil, false, err
	}
	if !k.ReserveNewRequest() {
		_ = k.Close()
		return nil, false, &DialError{Address: t.Address, Err: errNoStreams}
	}
	h.keep(k)
	return k, false, nil
}

var (
	errNoStreams = errors.New("the target closes its connection at once")
	errNotHTTP2  = errors.New("the target does not speak HTTP/2: it chose no protocol, or another, in the TLS handshake")
)

// reserve finds a connection that takes one more request; those that have ended
// are forgotten.
func (h *http2Pool) reserve(name string) *http2Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conns = slices.DeleteFunc(h.conns, func(k *http2Conn) bool {
		s := k.State()
		return s.Closed || s.Closing && s.StreamsActive == 0
	})
	for _, k := range h.conns {
		if k.name == name && k.ReserveNewRequest() {
			return k
		}
	}
	return nil
}

func (h *http2Pool) keep(k *http2Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.most == 0 {
		k.SetDoNotReuse() // ends with its request
		return
	}
	h.conns = append(h.conns, k)
}

// close ends the connections: idle ones now, others with their last request.
func (h *http2Pool) close() {
	h.mu.Lock()
	conns := h.conns
	h.conns, h.closed = nil, true
	h.mu.Unlock()
	for _, k := range conns {
		k.SetDoNotReuse()
		if s := k.State(); s.StreamsActive+s.StreamsReserved+s.StreamsPending == 0 {
			_ = k.Close()
		} else {
			go k.finish()
		}
	}
}

// resetWait is for how long finish waits for requests.
const resetWait = time.Second

// finish closes a connection whose last request was reset just now: the codec counts
// it until the target has acknowledged that, and then does not close by itself. Others
// close with their last request.
func (k *http2Conn) finish() {
	ctx, cancel := context.WithTimeout(context.Background(), resetWait)
	defer cancel()
	_ = k.Shutdown(ctx)
}

// dialHTTP2 opens a connection; name is the server's for TLS.
//
//nolint:staticcheck // see http2Pool
func (t *Target) dialHTTP2(ctx context.Context, codec *http2.Transport, name string) (*http2Conn, error) {
	nc, err := t.host.dial(ctx)
	if err != nil {
		return nil, &DialError{Address: t.Address, Err: err}
	}
	var c net.Conn = nc
	if t.tls != nil {
		config := t.tlsFor(name).Clone()
		config.NextProtos = []string{http2.NextProtoTLS}
		tc := tls.Client(nc, config)
		if err = tc.HandshakeContext(ctx); err == nil && tc.ConnectionState().NegotiatedProtocol != http2.NextProtoTLS {
			err = errNotHTTP2
		}
		c = tc
	}
	if err != nil {
		_ = nc.Close()
		return nil, &DialError{Address: t.Address, Err: err, foreignName: t.isForeign(name)}
	}
	cc, err := codec.NewClientConn(c)
	if err != nil {
		_ = c.Close()
		return nil, &DialError{Address: t.Address, Err: fmt.Errorf("begin HTTP/2: %w", err)}
	}
	return &http2Conn{ClientConn: cc, name: name}, nil
}
