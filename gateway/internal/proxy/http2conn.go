package proxy

import (
	"bufio"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/http2"

	"github.com/gatelab/gatelab/gateway/internal/h2"
)

// http2Conn is a client's connection as the codec of HTTP/2 sees it. It looks at
// the frames that come: the codec bounds what they may hold, http2Conn how
// many may come that ask for work and bring nothing, and how slowly.
type http2Conn struct {
	client   *clientConn
	codec    *h2.Conn
	activity activity
	metrics  *http2Metrics
	br       *bufio.Reader
	frames   frameGuard
	bounded  bool // a read deadline is set

	interrupted atomic.Bool // nothing is to be read any more

	mu     sync.Mutex
	broken bucket      // requests that ended before their answer did
	calm   atomic.Bool // there were too many of them
}

// http2Buffer is enough for the frames of several short requests.
const http2Buffer = 4 << 10

func newHTTP2Conn(c *clientConn, m *http2Metrics) *http2Conn {
	h := &http2Conn{client: c, metrics: m, br: bufio.NewReaderSize(c.Conn, http2Buffer)}
	h.frames.begin(time.Now())
	h.broken = bucket{left: resetsAtOnce, most: resetsAtOnce, rate: resetsRate, at: time.Now()}
	h.activity.since.Store(time.Now().UnixNano())
	return h
}

// brokeOff notes a request that has ended before its answer did. A client need not
// take it back itself: by what it sends for the stream it can have the codec do
// so, in many ways that no frame of its own tells.
func (c *http2Conn) brokeOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.broken.take(time.Now) {
		c.calm.Store(true)
	}
}

// Read is h2.Transport's.
func (c *http2Conn) Read(b []byte) (int, error) {
	if c.br.Buffered() == 0 {
		if err := c.bound(); err != nil {
			return 0, err
		}
		if c.interrupted.Load() { // looked at behind the deadline, which may have overwritten Interrupt's
			return 0, os.ErrDeadlineExceeded
		}
	}
	n, err := c.br.Read(b)
	abuse := c.frames.see(b[:n])
	if abuse == "" && c.calm.Load() {
		abuse = abuseResets
	}
	switch abuse {
	case "":
	case badPadding:
		return 0, http2.ConnectionError(http2.ErrCodeProtocol) // which the codec tells the client
	default:
		c.metrics.abuses.WithLabelValues(abuse).Inc()
		return 0, http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	if isTimeout(err) && !c.interrupted.Load() {
		c.client.all.metrics.header.Inc()
	}
	return n, err
}

// bound sets the limit of the read that follows: a header has one deadline, other
// frames may not pause; between frames the codec's idle time-out holds.
func (c *http2Conn) bound() error {
	bounds := &c.client.all.bounds
	switch {
	case c.frames.inHeader():
		c.bounded = true
		c.client.readBy = c.frames.headerSince.Add(bounds.header)
		return c.client.Conn.SetReadDeadline(c.client.readBy)
	case c.frames.inFrame():
		c.bounded = true
		return c.client.readWithin(time.Now(), bounds.body)
	case c.bounded:
		c.bounded = false
		c.client.readBy = time.Time{}
		return c.client.Conn.SetReadDeadline(time.Time{})
	}
	return nil
}

// Write is h2.Transport's.
func (c *http2Conn) Write(b []byte) (int, error) {
	n, err := c.client.Write(b)
	if err != nil { // a read would go on
		c.client.reset()
		_ = c.client.raw.Close()
	}
	return n, err
}

// Buffered is h2.Transport's.
func (c *http2Conn) Buffered() int { return c.br.Buffered() }

// Interrupt is h2.Transport's.
func (c *http2Conn) Interrupt() {
	c.interrupted.Store(true)
	_ = c.client.Conn.SetReadDeadline(longAgo)
}

// errNotHTTP2 says that a client does not begin as one with prior knowledge of
// HTTP/2 does.
var errNotHTTP2 = errors.New("the client does not begin with HTTP/2")

// awaitPreface returns when the client has sent all of HTTP/2's preface, or
// something else; it takes nothing of it.
func (c *clientConn) awaitPreface() error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	if err := c.raw.SetReadDeadline(time.Now().Add(c.all.bounds.header)); err != nil {
		return err
	}
	var verdict error
	err = raw.Read(func(fd uintptr) bool {
		var done bool
		done, verdict = peekPreface(fd)
		return done
	})
	if err == nil {
		err = verdict
	}
	c.readBy = time.Time{}
	if isTimeout(err) {
		c.all.metrics.idle.Inc()
	}
	return errors.Join(err, c.raw.SetReadDeadline(time.Time{}))
}

// peekPreface looks at what a socket has, without taking it. It is done when that
// is the preface, or cannot become it.
func peekPreface(fd uintptr) (done bool, err error) {
	var b [prefaceLength]byte
	n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	switch {
	case errors.Is(err, syscall.EINTR):
		return peekPreface(fd)
	case errors.Is(err, syscall.EAGAIN):
		return false, nil
	case err != nil:
		return true, err
	case n == 0:
		return true, io.EOF
	case string(b[:n]) != http2.ClientPreface[:n]:
		return true, errNotHTTP2
	}
	return n == prefaceLength, nil
}
