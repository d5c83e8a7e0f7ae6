package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// multiplexer sends an attack's requests over HTTP/2: a number of connections, each with several requests at a time. It is net/http's
// client, which costs several times the CPU of the lean one for HTTP/1.1: the generator reaches its limit earlier, and its checks say so.
type multiplexer struct {
	run       *run
	transport *http.Transport
	lines     []multiplexed
	next      atomic.Uint64
}

// multiplexed is one connection; it is opened by the first request that needs it.
type multiplexed struct {
	mu     sync.Mutex
	conn   *http.ClientConn // nil: none
	dialed bool             // a first one was made
}

func newMultiplexer(r *run) *multiplexer {
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	return &multiplexer{run: r, lines: make([]multiplexed, r.attack.Connections), transport: &http.Transport{
		Protocols: &protocols, DisableCompression: true,
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			first, _ := ctx.Value(firstDial{}).(bool)
			return r.dialer.dial(ctx, r.attack.Timeout, first)
		},
	}}
}

// firstDial is the key of whether a connection is one that the attack begins with.
type firstDial struct{}

// take is a connection for one more request, each in its turn.
func (m *multiplexer) take(ctx context.Context) (*http.ClientConn, error) {
	l := &m.lines[m.next.Add(1)%uint64(len(m.lines))]
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil && l.conn.Err() == nil {
		return l.conn, nil
	}
	c, err := m.transport.NewClientConn(context.WithValue(ctx, firstDial{}, !l.dialed), "https", m.run.plan.address)
	if err != nil {
		return nil, err
	}
	l.conn, l.dialed = c, true
	return c, nil
}

// close ends all connections.
func (m *multiplexer) close() {
	for i := range m.lines {
		l := &m.lines[i]
		l.mu.Lock()
		if l.conn != nil {
			_ = l.conn.Close() // nothing is under way on it
		}
		l.mu.Unlock()
	}
}

// exchange sends a drawn request, and reads the response into into.res.
func (m *multiplexer) exchange(ctx context.Context, into *conn, d draw, check bool, deadline time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	c, err := m.take(ctx)
	if err != nil {
		return err
	}
	res, err := c.RoundTrip(m.run.plan.request(ctx, d))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	into.res.takeHead(res)
	return into.res.takeBody(res.Body, check)
}

// request is a drawn request for net/http.
func (p *plan) request(ctx context.Context, d draw) *http.Request {
	t := &d.req.bytes
	path, query, _ := strings.Cut(string(t.appendPath(nil, d.id)), "?")
	q := &http.Request{
		Method: d.req.Method, URL: &url.URL{Scheme: "https", Host: p.host(d.req.Request), Opaque: path, RawQuery: query},
		Host: p.host(d.req.Request), Header: make(http.Header, len(d.req.Header)+2), Body: http.NoBody,
	}
	q.Header.Set("User-Agent", userAgent)
	if body := t.appendBody(nil, d.id); len(body) > 0 {
		q.Body, q.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		q.Header.Set("Content-Type", "application/json")
	}
	for k, v := range d.req.Header {
		if !strings.EqualFold(k, "Host") {
			q.Header.Set(k, v)
		}
	}
	if d.req.Addresses > 0 {
		q.Header.Set(load.AddressHeader, string(load.AppendAddress(nil, d.from)))
	}
	if key := p.key(d); key != "" {
		q.Header.Set(keyHeader, key)
	}
	return q.WithContext(ctx)
}

// takeHead keeps of a response what the lean client keeps of its own.
func (p *responseReader) takeHead(res *http.Response) {
	p.response = response{status: res.StatusCode}
	p.names = p.names[:0]
	p.close = false
	keep := func(name string) []byte {
		v := res.Header.Get(name)
		if v == "" {
			return nil
		}
		return p.keep([]byte(v))
	}
	p.cache, p.node = keep("X-Cache-Status"), keep("X-Gateway-Node")
	p.edge, p.originHash = keep("X-Edge-Cache"), keep("X-Origin-Body")
	p.stream = strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream")
	p.gatewayOwn = res.Header.Get("X-Kong-Response-Latency") != ""
}

// takeBody reads a body to its end.
func (p *responseReader) takeBody(body io.Reader, check bool) error {
	p.checked = check
	if check {
		p.digest.Reset()
		p.kept = p.kept[:0]
	}
	for {
		n, err := body.Read(p.buf)
		p.r, p.w = 0, n
		p.take(n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if check {
		p.hash, p.prefix = p.digest.Sum64(), p.kept
	}
	return nil
}

// host is the value of the Host header: the target's, unless the request names another.
func (p *plan) host(r load.Request) string {
	for k, v := range r.Header {
		if strings.EqualFold(k, "Host") {
			return v
		}
	}
	_, host, _ := strings.Cut(strings.TrimSuffix(p.attack.Target, "/"), "://")
	return host
}
