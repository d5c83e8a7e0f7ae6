package upstream

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

func TestWhatMayBeSentAgain(t *testing.T) {
	const (
		never = iota
		withBody
		idempotentWithBody
		always
	)
	for _, row := range []struct {
		name string
		what outcome
		when int
	}{
		{name: "an answer", what: outcomeAnswer, when: never},
		{name: "an answer with a status to retry", what: outcomeStatus, when: idempotentWithBody},
		{name: "no connection", what: outcomeUnconnected, when: always},
		{name: "a connection that broke before anything was sent", what: outcomeUnsent, when: withBody},
		{name: "a connection that broke after something was sent", what: outcomeBroken, when: idempotentWithBody},
		{name: "a time-out", what: outcomeTimeout, when: never},
		{name: "an answer that cannot be read", what: outcomeUnreadable, when: never},
		{name: "a client's body that broke off", what: outcomeBody, when: never},
		{name: "a request that cannot be written", what: outcomeUnsendable, when: never},
	} {
		for _, idempotent := range []bool{false, true} {
			for _, body := range []bool{false, true} {
				want := row.when == always || row.when == withBody && body || row.when == idempotentWithBody && body && idempotent
				p := retryPolicy{idempotent: idempotent, replayable: body, left: 1}
				if got := p.another(row.what); got != want {
					t.Errorf("%s, idempotent %v, body at hand %v: sent again is %v", row.name, idempotent, body, got)
				}
			}
		}
	}
}

func TestHowAnAttemptEnded(t *testing.T) {
	reset := &net.OpError{Op: "read", Err: os.NewSyscallError("read", io.ErrClosedPipe)}
	for _, row := range []struct {
		name string
		sent bool
		err  error
		want outcome
	}{
		{name: "an end after the request", sent: true, err: io.EOF, want: outcomeBroken},
		{name: "an end within the answer's headers", sent: true, err: io.ErrUnexpectedEOF, want: outcomeBroken},
		{name: "a reset after the request", sent: true, err: reset, want: outcomeBroken},
		{name: "bytes that were there before the request", sent: true, err: errUnsolicited, want: outcomeBroken},
		{name: "an end before the request", err: io.EOF, want: outcomeUnsent},
		{name: "a reset before the request", err: reset, want: outcomeUnsent},
		{name: "a time-out after the request", sent: true, err: os.ErrDeadlineExceeded, want: outcomeTimeout},
		{name: "a time-out before the request", err: os.ErrDeadlineExceeded, want: outcomeTimeout},
		{name: "a malformed answer", sent: true, err: &ResponseError{errFieldLine}, want: outcomeUnreadable},
		{name: "the client's body", sent: true, err: &BodyError{io.ErrUnexpectedEOF}, want: outcomeBody},
		{name: "the client's body, which came too slowly", sent: true, err: &BodyError{os.ErrDeadlineExceeded}, want: outcomeBody},
		{name: "a request without a host", err: errors.New("missing required host header"), want: outcomeUnsendable},
	} {
		if got := outcomeOf(&conn{sent: row.sent}, row.err); got != row.want {
			t.Errorf("%s: outcome %d, want %d", row.name, got, row.want)
		}
	}
}

func TestAnUnreadableAnswerIsAskedForOnce(t *testing.T) {
	const rest = "Content-Length: 5\r\n\r\nhello"
	for say, words := range map[string]string{
		"garbage":                               "\x15\x03\x01\x00\x02\x02\x46",
		"garbage without an end":                "hello",
		"another protocol":                      "SSH-2.0-OpenSSH_9.6\r\n",
		"another major version":                 "HTTP/2.0 200 OK\r\n" + rest,
		"a version that is none":                "HTTP/1.10 200 OK\r\n" + rest,
		"a status of two digits":                "HTTP/1.1 20 OK\r\n" + rest,
		"a status of four digits":               "HTTP/1.1 2000 OK\r\n" + rest,
		"a status below 100":                    "HTTP/1.1 020 OK\r\n" + rest,
		"a status that is no number":            "HTTP/1.1 2x0 OK\r\n" + rest,
		"a CR in the reason":                    "HTTP/1.1 200 O\rK\r\n" + rest,
		"an empty line first":                   "\r\nHTTP/1.1 200 OK\r\n" + rest,
		"a line without a colon":                "HTTP/1.1 200 OK\r\nX-A\r\n" + rest,
		"a line without a name":                 "HTTP/1.1 200 OK\r\n: a\r\n" + rest,
		"a name with a blank":                   "HTTP/1.1 200 OK\r\nX A: b\r\n" + rest,
		"a NUL in a value":                      "HTTP/1.1 200 OK\r\nX-A: b\x00c\r\n" + rest,
		"a CR in a value":                       "HTTP/1.1 200 OK\r\nX-A: b\rContent-Length: 0\r\n" + rest,
		"a fold without a line before it":       "HTTP/1.1 200 OK\r\n X-A: b\r\n" + rest,
		"two lengths":                           "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n" + rest,
		"a list of lengths":                     "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
		"a negative length":                     "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
		"a signed length":                       "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
		"a length beyond all numbers":           "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551621\r\n\r\nhello",
		"an empty length":                       "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello",
		"an unknown transfer coding":            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"chunked twice":                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunked in HTTP/1.0":                   "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"a header that is too long":             "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 70<<10) + "\r\n" + rest,
		"headers that are too long together":    "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 70) + rest,
		"a header that is too long, and no end": "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 70<<10),
		"interim answers without end":           strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100) + "HTTP/1.1 200 OK\r\n" + rest,
		"long interim answers": strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: "+strings.Repeat("a", 10<<10)+"\r\n\r\n",
			8) + "HTTP/1.1 200 OK\r\n" + rest,
		"an interim answer with a body": "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhello",
		"101 that was not asked for":    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n" + poison,
	} {
		t.Run(say, func(t *testing.T) {
			t.Parallel()
			url, connections := listen(t, func(c net.Conn) {
				if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					_, _ = io.WriteString(c, words)
					_, _ = io.Copy(io.Discard, c) // the gateway closes
				}
			})
			p := newPools(t, Config{EjectAfter: 1, RetryMin: 1000})
			b := serviceAt(t, p, url)
			for _, method := range []string{"GET", "PUT", "POST", "HEAD"} {
				before := connections.Load()
				call := newCall(b)
				// else the test would not end
				call.Retries = 5
				call.Read = time.Hour
				call.Write = time.Hour
				call.Request.Header.SetMethod(method)
				var bad *ResponseError
				if err := p.Do(call); !errors.As(err, &bad) {
					t.Fatalf("%s: %d %v, want a ResponseError", method, call.Response.StatusCode(), err)
				}
				if n := connections.Load() - before; n > 1 {
					t.Errorf("%s was sent %d times", method, n)
				}
				if !call.Target.available(time.Now().UnixNano()) {
					t.Errorf("%s: the target was taken out", method)
				}
			}
			if p.Idle() != 0 {
				t.Error("the connection is kept")
			}
		})
	}
}

func TestOnlyTheProtocolThatWasAskedForIsSwitchedTo(t *testing.T) {
	for _, c := range []struct {
		asked, answered string
		ok              bool
	}{
		{asked: "websocket", answered: "websocket", ok: true},
		{asked: "websocket", answered: "WebSocket", ok: true},
		{asked: "websocket", answered: "h2c"},
		{asked: "websocket", answered: "websocket, h2c"},
		{asked: "websocket"},
		{answered: "websocket"},
		{},
	} {
		url, _ := listen(t, func(conn net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: "+c.answered+"\r\n\r\n")
				_, _ = io.Copy(io.Discard, conn)
			}
		})
		p := newPools(t, Config{})
		call := newCall(serviceAt(t, p, url))
		if c.asked != "" {
			call.Request.Header.Set("Connection", "Upgrade")
			call.Request.Header.Set("Upgrade", c.asked)
		}
		err := p.Do(call)
		var bad *ResponseError
		if c.ok != (err == nil) || !c.ok && !errors.As(err, &bad) {
			t.Errorf("%q asked, %q answered: %v", c.asked, c.answered, err)
		}
		if call.Upgraded != nil {
			call.Upgraded.Close()
		}
	}
}

func TestAnswersThatNeedLeniencyAreRead(t *testing.T) {
	for say, c := range map[string]struct {
		words, field string
		kept         int
	}{
		"bare LF everywhere":              {words: "HTTP/1.1 200 OK\nX-A: b\nContent-Length: 5\n\nhello", field: "b"},
		"an empty line of LF":             {words: "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5\r\n\nhello", field: "b"},
		"LF before an empty line of CRLF": {words: "HTTP/1.1 200 OK\nX-A: b\nContent-Length: 5\n\r\nhello", field: "b"},
		"LF in one line":                  {words: "HTTP/1.1 200 OK\r\nX-A: b\nContent-Length: 5\r\n\r\nhello", field: "b"},
		"LF, in chunks": {words: "HTTP/1.1 200 OK\nX-A: b\nTransfer-Encoding: chunked\n\n5\r\nhello\r\n0\r\n\r\n",
			field: "b"},
		"LF, and a long header": {words: "HTTP/1.1 200 OK\nX-B: " + strings.Repeat("b", 40<<10) + "\nX-A: b\nContent-Length: 5\n\nhello",
			field: "b"},
		"a line that goes on in the next": {words: "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 5\r\n\r\nhello", field: "b c"},
		"the same with LF":                {words: "HTTP/1.1 200 OK\nX-A: b\n c\nContent-Length: 5\n\nhello", field: "b c"},
		"a blank before the colon":        {words: "HTTP/1.1 200 OK\r\nX-A : b\r\nContent-Length: 5\r\n\r\nhello", field: "b"},
		"a length beside chunks": {words: "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n" +
			"hello\r\n0\r\n\r\n",
			field: "b"},
		"no reason": {words: "HTTP/1.1 200\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhello", field: "b", kept: 1},
		"a trailer that is forbidden": {words: "HTTP/1.1 200 OK\r\nX-A: b\r\nTrailer: Content-Length,\r\n Set-Cookie\r\n" +
			"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
			field: "b"},
		"48 kB of headers": {words: "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-B: "+strings.Repeat("b", 1000)+"\r\n", 48) +
			"X-A: b\r\nContent-Length: 5\r\n\r\nhello",
			field: "b", kept: 1},
		"a header as long as the buffer": {words: "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5\r\nX-B: " +
			strings.Repeat("b", bufferSize-52) + "\r\n\r\nhello",
			field: "b", kept: 1},
		"a few interim answers": {words: strings.Repeat("HTTP/1.1 103 Early Hints\nLink: </a>\n\n", 50) +
			"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhello",
			field: "b"},
		"until the connection ends":       {words: "HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nhello", field: "b"},
		"HTTP/1.0 that keeps, but no end": {words: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nX-A: b\r\n\r\nhello", field: "b"},
		"all bytes that values may have": {words: "HTTP/1.1 200 OK\r\nX-A: b\t\"\\\xe9\r\nContent-Length: 5\r\n\r\nhello",
			field: "b\t\"\\\xe9", kept: 1},
	} {
		t.Run(say, func(t *testing.T) {
			t.Parallel()
			url, _ := listen(t, func(conn net.Conn) {
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
					return
				}
				_, _ = io.WriteString(conn, c.words)
				if !strings.Contains(c.words, "Content-Length") && !strings.Contains(c.words, "chunked") {
					return
				}
				_, _ = io.Copy(io.Discard, conn)
			})
			p := newPools(t, Config{})
			call := newCall(serviceAt(t, p, url))
			if err := p.Do(call); err != nil {
				t.Fatal(err)
			}
			if got := finish(t, call); got != "hello" || call.Response.StatusCode() != fasthttp.StatusOK {
				t.Errorf("got %d %q", call.Response.StatusCode(), got)
			}
			if got := string(call.Response.Header.Peek("X-A")); got != c.field {
				t.Errorf("X-A is %q, want %q", got, c.field)
			}
			if len(call.Response.Header.Peek("Trailer")) > 0 {
				t.Error("Trailer is passed on")
			}
			if n := p.Idle(); n != c.kept {
				t.Errorf("%d connections are kept, want %d", n, c.kept)
			}
		})
	}
}

func TestTheHeaderLimitIsASetting(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: "
	url, _ := listen(t, func(c net.Conn) { answerAll(c, head+strings.Repeat("a", 100<<10-len(head)-4)+"\r\n\r\n") })
	for limit, ok := range map[int]bool{100<<10 - 1: false, 100 << 10: true, 4 << 10: false} {
		p := newPools(t, Config{HeaderBytes: limit})
		err := p.Do(newCall(serviceAt(t, p, url)))
		var bad *ResponseError
		if ok != (err == nil) || !ok && !errors.As(err, &bad) {
			t.Errorf("102,400 bytes with a limit of %d: %v", limit, err)
		}
	}
}

// An answer that has begun is one: the request was taken, whatever its method.
func TestAnAnswerThatBreaksOffIsAskedForOnce(t *testing.T) {
	for name, cut := range map[string]string{
		"in its header": "HTTP/1.1 200 OK\r\nContent-Le", "in its body": "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
	} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			var asked atomic.Int64
			url, _ := listen(t, func(conn net.Conn) {
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					asked.Add(1)
					_, _ = conn.Write([]byte(cut))
				}
			})
			p := newPools(t, Config{})
			call := newCall(serviceAt(t, p, url))
			call.Request.Header.SetMethod(method)
			call.Retries = 5
			if err := p.Do(call); err == nil {
				t.Errorf("%s cut %s: no error", method, name)
			}
			if n := asked.Load(); n != 1 {
				t.Errorf("%s cut %s: asked %d times", method, name, n)
			}
		}
	}
}

func TestRetryPolicyOfOneCall(t *testing.T) {
	left := func() bool { return true }
	for _, row := range []struct {
		name   string
		policy retryPolicy
		want   bool
	}{
		{name: "an attempt is left", policy: retryPolicy{left: 1, idempotent: true, replayable: true}, want: true},
		{name: "no attempt is left", policy: retryPolicy{idempotent: true, replayable: true}},
		{name: "the client has left", policy: retryPolicy{left: 1, idempotent: true, replayable: true, gone: left}},
	} {
		if got := row.policy.another(outcomeBroken); got != row.want {
			t.Errorf("%s: sent again is %v, want %v", row.name, got, row.want)
		}
	}
	stale := retryPolicy{replayable: true}
	if !stale.onNewConnection(outcomeUnsent) {
		t.Error("a stale connection costs an attempt")
	}
}
