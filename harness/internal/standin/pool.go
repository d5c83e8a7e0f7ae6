package standin

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// pool passes each request to one of its upstreams, as an http.RoundTripper.
type pool struct {
	config    BalancerConfig
	transport *http.Transport
	upstreams []*upstream
	next      atomic.Uint64
}

// upstream is one replica, and what is known of its failures.
type upstream struct {
	addr     string
	inFlight atomic.Int64

	mu    sync.Mutex
	fails int
	first time.Time // of the failures that are counted
	out   time.Time // until then it gets nothing
}

func newPool(c BalancerConfig) *pool {
	if c.FailTimeout == 0 {
		c.FailTimeout = 10 * time.Second
	}
	dialer := net.Dialer{Timeout: connectWithin}
	p := &pool{config: c, transport: &http.Transport{
		DialContext:           dialer.DialContext,
		DisableKeepAlives:     c.Keepalive == 0,
		MaxIdleConns:          c.Keepalive,
		MaxIdleConnsPerHost:   max(1, c.Keepalive),
		IdleConnTimeout:       30 * time.Second,
		ResponseHeaderTimeout: 60 * time.Second,
		DisableCompression:    true,
	}}
	for _, addr := range c.Upstreams {
		p.upstreams = append(p.upstreams, &upstream{addr: addr})
	}
	return p
}

// idempotent are the methods that may be retried when no response came.
func idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// RoundTrip tries upstreams until one responds. What cannot be retried gets
// one try, unless not even a connection could be made.
func (p *pool) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := buffered(req)
	if err != nil {
		return nil, err
	}
	tried := map[*upstream]bool{}
	for {
		u := p.pick(tried)
		tried[u] = true
		res, err := p.try(req, u, body)
		if err == nil {
			return res, nil
		}
		again := p.config.Retries && (idempotent(req.Method) || notSent(err))
		if !again || len(tried) == len(p.upstreams) || req.Context().Err() != nil {
			return nil, err
		}
	}
}

// buffered reads the request whole, so that it can be sent to another upstream.
func buffered(req *http.Request) ([]byte, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return nil, nil
	}
	const most = 16 << 20
	b, err := io.ReadAll(io.LimitReader(req.Body, most))
	req.Body.Close()
	return b, err
}

// notSent says that an error came before a byte was sent.
func notSent(err error) bool {
	op, ok := err.(*net.OpError) //nolint:errorlint // the transport returns the dialer's own
	return ok && op.Op == "dial"
}

func (p *pool) try(req *http.Request, u *upstream, body []byte) (*http.Response, error) {
	out := req.Clone(context.WithoutCancel(req.Context()))
	out = out.WithContext(req.Context())
	out.URL.Host = u.addr
	if body != nil {
		out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	u.inFlight.Add(1)
	res, err := p.transport.RoundTrip(out)
	if err != nil {
		u.inFlight.Add(-1)
		if req.Context().Err() == nil {
			p.failed(u, time.Now())
		}
		return nil, err
	}
	res.Body = &countedBody{ReadCloser: res.Body, done: sync.OnceFunc(func() { u.inFlight.Add(-1) })}
	return res, nil
}

// countedBody calls done when a response was read to its end.
type countedBody struct {
	io.ReadCloser
	done func()
}

func (c *countedBody) Close() error {
	c.done()
	return c.ReadCloser.Close()
}

// pick chooses among those that are in and were not tried; when none is, among
// all that were not tried, as nginx does.
func (p *pool) pick(tried map[*upstream]bool) *upstream {
	now := time.Now()
	var best *upstream
	start := int(p.next.Add(1) % uint64(len(p.upstreams))) //nolint:gosec // less than the number of upstreams
	for _, wantIn := range []bool{true, false} {
		for i := range p.upstreams {
			u := p.upstreams[(start+i)%len(p.upstreams)]
			if tried[u] || wantIn && !p.in(u, now) {
				continue
			}
			if p.config.Method != "least_conn" {
				return u
			}
			if best == nil || u.inFlight.Load() < best.inFlight.Load() {
				best = u
			}
		}
		if best != nil {
			return best
		}
	}
	return p.upstreams[start]
}

// in says whether an upstream gets requests.
func (p *pool) in(u *upstream, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return now.After(u.out)
}

// failed counts a failure and takes the upstream out when there were too many.
func (p *pool) failed(u *upstream, now time.Time) {
	if p.config.MaxFails == 0 {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if now.Sub(u.first) > p.config.FailTimeout {
		u.first, u.fails = now, 0
	}
	if u.fails++; u.fails >= p.config.MaxFails {
		u.out, u.fails = now.Add(p.config.FailTimeout), 0
	}
}
