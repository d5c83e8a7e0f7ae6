package mirror

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// target is where copies are sent, and how.
type target struct {
	base        string // scheme and host
	timeout     time.Duration
	entries     int
	bytes       int64
	connections int
	verify      bool
}

// request is a copy of a request.
type request struct {
	method, path string
	header       http.Header
	body         []byte
	size         int64 // bytes in memory, about
}

const (
	// What a copy and each of its header fields take in memory beside their texts, about.
	requestOverhead = 1 << 10
	fieldOverhead   = 160

	// maxAnswer is how much of an answer is read, so that its connection can be kept.
	maxAnswer = 256 << 10
	// warnEvery is how often a target that cannot be reached is worth a line in the log.
	warnEvery = 10 * time.Second
)

// sender sends copies to one target. Its goroutines run while there is something to
// send, and each ends by the time-out of its last copy.
type sender struct {
	target
	counts  *counts
	log     *slog.Logger
	client  *http.Transport
	queue   chan *request
	held    atomic.Int64 // bytes in the queue
	running atomic.Int64 // goroutines
	warned  atomic.Int64 // Unix nanoseconds
}

func newSender(at target, c *counts, log *slog.Logger) *sender {
	return &sender{
		target: at, counts: c, log: log, queue: make(chan *request, at.entries),
		client: &http.Transport{ // no proxy of the environment, and RoundTrip follows no redirects
			DialContext:         (&net.Dialer{Timeout: at.timeout}).DialContext,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: !at.verify}, //nolint:gosec // as it is configured
			MaxIdleConnsPerHost: at.connections, MaxConnsPerHost: at.connections, IdleConnTimeout: 30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
		},
	}
}

// add queues a copy. It never waits: where the queue is full the copy is dropped.
func (s *sender) add(r *request) {
	if s.held.Add(r.size) > s.bytes {
		s.held.Add(-r.size)
		s.counts.full.Inc()
		return
	}
	select {
	case s.queue <- r:
	default:
		s.held.Add(-r.size)
		s.counts.full.Inc()
		return
	}
	s.start()
}

// start begins another goroutine, where there may be one more.
func (s *sender) start() {
	for {
		n := s.running.Load()
		if n >= int64(s.connections) {
			return
		}
		if s.running.CompareAndSwap(n, n+1) {
			go s.work()
			return
		}
	}
}

// work sends what is queued, and ends when there is nothing.
func (s *sender) work() {
	for {
		select {
		case r := <-s.queue:
			s.held.Add(-r.size)
			if err := s.send(r); err != nil {
				s.counts.failed.Inc()
				s.warn(err)
				continue
			}
			s.counts.sent.Inc()
		default:
			s.running.Add(-1)
			if len(s.queue) > 0 { // it came in between
				s.start()
			}
			return
		}
	}
}

func (s *sender) send(r *request) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, s.base+r.path, bytes.NewReader(r.body))
	if err != nil {
		return fmt.Errorf("copy a request: %w", err)
	}
	req.Header = r.header
	res, err := s.client.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("send a copy: %w", err)
	}
	_, err = io.CopyN(io.Discard, res.Body, maxAnswer)
	_ = res.Body.Close()
	_ = err // the target has had the copy
	return nil
}

func (s *sender) warn(err error) {
	now, last := time.Now().UnixNano(), s.warned.Load()
	if now-last > int64(warnEvery) && s.warned.CompareAndSwap(last, now) {
		s.log.Warn("mirror: copies of requests are lost", "target", s.base, "error", err)
	}
}
