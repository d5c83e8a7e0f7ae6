package upstream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/net/http2"
)

// timeoutError is a net.Error of a time limit.
type timeoutError string

func (e timeoutError) Error() string { return string(e) }

// Timeout is net.Error's.
func (timeoutError) Timeout() bool { return true }

// Temporary is net.Error's.
func (timeoutError) Temporary() bool { return true }

const (
	errSilent   = timeoutError("nothing came from the upstream within the read time-out")
	errStuck    = timeoutError("the upstream takes nothing of the request within the write time-out")
	errDeadline = timeoutError("the request's own deadline has passed")
)

// http2Exchange is one request over HTTP/2, on a connection that it shares.
type http2Exchange struct {
	call   *Call
	began  time.Time
	ctx    context.Context
	cancel context.CancelCauseFunc
	end    context.CancelFunc // of the deadline
	silent *time.Timer        // runs while nothing moves in either direction
	upload http2Upload
	left   atomic.Bool // the request's header has left
}

// Close ends the exchange: Call's OnConn hands it out.
func (e *http2Exchange) Close() error {
	e.cancel(errUnread)
	return nil
}

// moved notes that something came from the client or the upstream.
func (e *http2Exchange) moved() { e.silent.Reset(e.call.Read) }

// askHTTP2 is ask for a target that speaks HTTP/2.
func (p *Pools) askHTTP2(c *Call, t *Target) (outcome, error) {
	if !c.KeepHost {
		c.Request.Header.SetHost(t.authority)
	}
	k, reused, err := t.http2.take(t, c.Connect, t.serverName(c.Request.Header.Host()))
	if err != nil {
		c.blameDial(t, err)
		return outcomeUnconnected, err
	}
	e := c.beginHTTP2()
	c.upload = &e.upload
	t.inflight.Add(1)
	if c.OnConn != nil {
		c.OnConn(e)
	}
	res, err := k.RoundTrip(e.request(t))
	if err == nil {
		err = e.readHead(res)
	}
	if err == nil {
		status := c.Response.Header.StatusCode()
		c.observe(t, e.began)
		t.succeeded(status, c.how)
		e.body(t, res)
		if p.retry.has(status) && len(c.Response.Header.Peek(fasthttp.HeaderRetryAfter)) == 0 {
			return outcomeStatus, nil
		}
		return outcomeAnswer, nil
	}
	err = e.cause(err)
	e.finish(t)
	c.retry.sent = c.retry.sent || e.left.Load()
	o := e.outcome(err)
	switch {
	case c.gone():
	case o == outcomeTimeout && e.isTargets(err):
		t.failed(failTimeout, c.how)
	case !reused && (o == outcomeBroken || o == outcomeUnsent || o == outcomeUnconnected):
		t.failed(failTCP, c.how)
	}
	return o, err
}

// isTargets tells whether a time-out is the target's: neither one that the client has
// chosen, nor one during which the target may have waited for the client's body.
func (e *http2Exchange) isTargets(err error) bool {
	waits := e.upload.src != nil && !e.upload.whole.Load()
	return !errors.Is(err, errDeadline) && (!waits || !errors.Is(err, errSilent))
}

func (c *Call) beginHTTP2() *http2Exchange {
	e := &http2Exchange{call: c, began: time.Now(), end: func() {}}
	ctx, cancel := context.WithCancelCause(context.Background())
	e.cancel = cancel
	if !c.Deadline.IsZero() {
		ctx, e.end = context.WithDeadlineCause(ctx, c.Deadline, errDeadline)
	}
	e.ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { e.left.Store(true) }})
	e.silent = time.AfterFunc(c.Read, func() { cancel(errSilent) })
	return e
}

// finish frees what the exchange has; nothing reads the client's body any more.
func (e *http2Exchange) finish(t *Target) {
	e.silent.Stop()
	e.cancel(errUnread)
	e.end()
	e.upload.release()
	t.inflight.Add(-1)
	if e.call.OnConn != nil {
		e.call.OnConn(nil)
	}
}

// cause is why the exchange has ended, where it was ended from here.
func (e *http2Exchange) cause(err error) error {
	if failure := e.upload.failure.Load(); failure != nil {
		return *failure
	}
	if why := context.Cause(e.ctx); why != nil {
		return why
	}
	if d := e.call.Deadline; !d.IsZero() && !time.Now().Before(d) {
		return errDeadline // which the target knows as well, and may have been faster to act upon
	}
	return err
}

// outcome tells how the exchange ended with err.
func (e *http2Exchange) outcome(err error) outcome {
	var reset http2.StreamError
	var unreadable *ResponseError
	// Of a request whose header has not left, and of one that the target refuses or
	// has not looked at before it said GOAWAY, it has done nothing.
	untouched := !e.left.Load() || errors.As(err, &reset) && reset.Code == http2.ErrCodeRefusedStream || err.Error() == goneAway
	switch {
	case isBodyError(err):
		return outcomeBody
	case errors.As(err, &unreadable) || isMalformed(err):
		return outcomeUnreadable
	case isTimeout(err):
		return outcomeTimeout
	case untouched && !isOfConnection(err):
		return outcomeUnsendable
	case untouched && !e.upload.begun.Load():
		return outcomeUnconnected
	case untouched:
		return outcomeUnsent
	}
	return outcomeBroken
}

// isMalformed tells whether it was the codec that has ended the stream, for what
// the upstream has sent in it: the request was answered all the same.
func isMalformed(err error) bool {
	var reset http2.StreamError
	return errors.As(err, &reset) && (reset.Cause == nil || reset.Cause.Error() != fromPeer)
}

// fromPeer is the codec's cause of a reset that has come; it has no name there.
const fromPeer = "received from peer"

// isOfConnection tells whether an error is the connection's, not that of a request
// that the codec does not send.
func isOfConnection(err error) bool {
	var network net.Error
	var reset http2.StreamError
	var ended http2.ConnectionError
	var away http2.GoAwayError //nolint:staticcheck // see http2Pool
	return errors.As(err, &network) || errors.As(err, &reset) || errors.As(err, &ended) || errors.As(err, &away) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		strings.HasPrefix(err.Error(), "http2: client conn") || strings.HasPrefix(err.Error(), "http2: Transport received")
}

// goneAway is the codec's error of a request that comes after a GOAWAY; it has no
// name there.
const goneAway = "http2: Transport received Server's graceful shutdown GOAWAY"

// request is the call's as the codec takes it.
func (e *http2Exchange) request(t *Target) *http.Request {
	h := &e.call.Request.Header
	scheme := "http"
	if t.tls != nil {
		scheme = "https"
	}
	host := string(h.Host())
	// Opaque is sent as it is; the codec takes scheme and host off.
	u := &url.URL{Scheme: scheme, Host: host, Opaque: "//" + host + string(h.RequestURI())}
	r := &http.Request{
		Method: string(h.Method()), URL: u, Host: host, Proto: "HTTP/2.0", ProtoMajor: 2, Header: http.Header{"User-Agent": {""}},
	}
	for name, value := range h.All() {
		switch key := string(name); key {
		case "Host", "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade", "Content-Length", "Te", "TE", "Trailer":
		case "User-Agent":
			r.Header[key] = []string{string(value)}
		default:
			r.Header[key] = append(r.Header[key], string(value))
		}
	}
	r.Header["Te"] = []string{"trailers"}
	e.addBody(r)
	return r.WithContext(e.ctx)
}

func (e *http2Exchange) addBody(r *http.Request) {
	in := e.call.Request
	size := int64(in.Header.ContentLength())
	switch {
	case in.IsBodyStream():
		e.upload.exchange, e.upload.src = e, in.BodyStream()
		r.Body, r.ContentLength = &e.upload, max(size, -1)
	case len(in.Body()) > 0:
		e.upload.exchange, e.upload.src = e, bytes.NewReader(in.Body())
		r.Body, r.ContentLength = &e.upload, int64(len(in.Body()))
	}
}

// readHead has the codec of HTTP/1.1 read the answer's header, written out as one
// of that: what holds for the one holds for the other.
func (e *http2Exchange) readHead(res *http.Response) error {
	b := append([]byte("HTTP/1.1 "), strconv.Itoa(res.StatusCode)...)
	b = append(b, " x\r\n"...)
	for name, values := range res.Header {
		switch name {
		case "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade", "Content-Length", "Trailer":
			continue
		}
		for _, v := range values {
			b = append(append(append(append(b, name...), ": "...), v...), "\r\n"...)
		}
	}
	for name := range res.Trailer { // announced
		b = append(append(append(b, "Trailer: "...), name...), "\r\n"...)
	}
	if res.ContentLength >= 0 {
		b = append(append(b, "Content-Length: "...), strconv.FormatInt(res.ContentLength, 10)...)
	} else {
		b = append(b, "Transfer-Encoding: chunked"...)
	}
	b = append(b, "\r\n\r\n"...)
	if err := e.call.Response.Header.Read(bufio.NewReaderSize(bytes.NewReader(b), max(len(b), 16))); err != nil {
		_ = res.Body.Close()
		return unreadable("its header block is malformed")
	}
	return nil
}

// body leaves the answer's body to a stream; there is none behind a header that
// ends the answer.
func (e *http2Exchange) body(t *Target, res *http.Response) {
	c, r := e.call, e.call.Response
	r.Header.SetProtocol(nil)
	if e.hasNoBody(res) {
		r.SkipBody = c.Request.Header.IsHead() || r.Header.StatusCode() == fasthttp.StatusNoContent ||
			r.Header.StatusCode() == fasthttp.StatusNotModified
		e.finish(t)
		return
	}
	size := -1
	if res.ContentLength >= 0 {
		size = int(res.ContentLength)
	}
	c.Streamed = true
	r.ImmediateHeaderFlush = true
	e.moved()
	r.SetBodyStream(&http2Stream{exchange: e, target: t, res: res}, size)
}

// hasNoBody tells whether the header has ended the answer: there are no trailers
// then. The codec's body of such an answer holds nothing, and has no name.
func (e *http2Exchange) hasNoBody(res *http.Response) bool {
	return reflect.TypeOf(res.Body).Size() == 0 && (res.ContentLength <= 0 || e.call.Request.Header.IsHead())
}
