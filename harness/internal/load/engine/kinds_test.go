package engine

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// closedPort is a target that nothing listens on.
func closedPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

func TestEveryOutcome(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
	status := func(code int, header ...string) func(testing.TB) string {
		return func(t testing.TB) string {
			h := ""
			if len(header) > 0 {
				h = strings.Join(header, "\r\n") + "\r\n"
			}
			return says(t, fmt.Sprintf("HTTP/1.1 %d X\r\n%sContent-Length: 5\r\n\r\nhello", code, h), nil)
		}
	}
	text := func(s string, then func(net.Conn)) func(testing.TB) string {
		return func(t testing.TB) string { return says(t, s, then) }
	}
	hangup := func(c net.Conn) { c.Close() }
	hash := "X-Origin-Body: " + hashOf([]byte("hello"))
	model := `{"id":"model-7","object":"model"}`
	body := func(b string, header ...string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Origin-Body: %s\r\n%s\r\n%s", len(b), hashOf([]byte(b)),
			strings.Join(append(header, ""), "\r\n"), b)
	}
	seven := load.Request{Path: "/models/{id}", IDs: 1} // asks for id 1 only
	for _, row := range []struct {
		name   string
		target func(testing.TB) string
		req    load.Request
		want   string // kind of failure, "" for success, "limited"
	}{
		{name: "a success", target: status(200, hash)},
		{name: "a success without a content length", target: text("HTTP/1.1 200 OK\r\n"+hash+"\r\n\r\nhello", hangup)},
		{name: "a success in chunks", target: text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"+hash+
			"\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nTrailer: x\r\n\r\n", nil)},
		{name: "a success after an interim response", target: text("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"+ok+hash+"\r\n\r\nhello", nil)},
		{name: "a success of HTTP/1.0", target: text("HTTP/1.0 200 OK\r\n"+hash+"\r\n\r\nhello", hangup)},
		{name: "an event stream needs no hash", target: status(200, "Content-Type: text/event-stream; charset=utf-8")},
		{name: "the response to a HEAD has no body", target: text("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", nil),
			req: load.Request{Method: "HEAD"}},
		{name: "204 has no body", target: text("HTTP/1.1 204 No Content\r\n\r\n", nil), req: load.Request{Expect: []int{204}}},
		{name: "an expected 404", target: status(404, hash), req: load.Request{Expect: []int{200, 404}}},
		{name: "an expected 429", target: status(429, hash), req: load.Request{Expect: []int{429}}},
		{name: "a limit that is allowed", target: status(429, "X-Kong-Response-Latency: 1"), req: load.Request{LimitedOK: true}, want: "limited"},
		{name: "a limit that is not", target: status(429, "X-Kong-Response-Latency: 1"), want: load.KindGateway429},
		{name: "the origin's limit is never allowed", target: status(429), req: load.Request{LimitedOK: true}, want: load.KindOrigin429},
		{name: "an unknown model", target: status(404), want: "status_404"},
		{name: "an overloaded gateway", target: status(503), want: "status_503"},
		{name: "a strange status", target: status(418), want: "status_418"},
		{name: "a success that was not expected", target: status(200), req: load.Request{Expect: []int{201}}, want: "status_200"},
		{name: "another body than the origin's", target: status(200, "X-Origin-Body: 0123456789abcdef"), want: load.KindMismatch},
		{name: "a cache that mixes up bodies", target: status(200, "X-Kong-Response-Latency: 0", "X-Cache-Status: Hit",
			"X-Origin-Body: 0123456789abcdef"), want: load.KindMismatch},
		{name: "a hash that got lost", target: status(200), want: load.KindUnhashed},
		{name: "what the gateway made by itself has no hash", target: status(200, "X-Kong-Response-Latency: 0")},
		{name: "another model than asked for", target: text(body(model), nil), req: seven, want: load.KindMismatch},
		{name: "a cache that mixes up keys", target: text(body(model, "X-Kong-Response-Latency: 0"), nil), req: seven, want: load.KindMismatch},
		{name: "the model asked for", target: text(body(strings.ReplaceAll(model, "7", "1")), nil), req: seven},
		{name: "a longer id that begins alike", target: text(body(strings.ReplaceAll(model, "7", "12")), nil), req: seven,
			want: load.KindMismatch},
		{name: "a closed port", target: closedPort, want: load.KindRefused},
		{name: "no response", target: text("", nil), want: load.KindTimeout},
		{name: "half a response", target: text(ok+"\r\nhe", nil), want: load.KindTimeout},
		{name: "an end before the response", target: text("", hangup), want: load.KindEOF},
		{name: "an end within the headers", target: text("HTTP/1.1 200 OK\r\nContent-", hangup), want: load.KindEOF},
		{name: "an end within the body", target: text(ok+"\r\nhe", hangup), want: load.KindEOF},
		{name: "an end within the chunks", target: text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", hangup),
			want: load.KindEOF},
		{name: "a reset", target: text("", func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); c.Close() }), want: load.KindReset},
		{name: "another protocol", target: text("SSH-2.0-OpenSSH_9.9\r\n\r\n", nil), want: load.KindMalformed},
		{name: "no number for a length", target: text("HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello", nil), want: load.KindMalformed},
		{name: "two lengths", target: text("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", nil),
			want: load.KindMalformed},
		{name: "an unrequested coding", target: text("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello", nil),
			want: load.KindMalformed},
		{name: "a chunk without a size", target: text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nhello", nil),
			want: load.KindMalformed},
		{name: "more than the body", target: text(ok+hash+"\r\n\r\nhello world", nil), want: load.KindMalformed},
		{name: "an unrequested protocol", target: text("HTTP/1.1 101 Switching Protocols\r\n\r\n", nil), want: load.KindMalformed},
	} {
		t.Run(row.name, func(t *testing.T) {
			target := row.target(t)
			row.req.Name = "it"
			if row.req.Path == "" {
				row.req.Path = "/"
			}
			for _, a := range []load.Attack{
				{Model: load.Closed, Connections: 1},
				{Model: load.Open, Rate: 100, Duration: 30 * time.Millisecond},
				{Model: load.Probes, Rate: 100, Duration: 30 * time.Millisecond},
			} {
				a.Target = target
				a.Timeout = 10 * time.Second
				a.SampleEvery = 1
				a.Requests = []load.Request{row.req}
				if row.want == load.KindTimeout {
					a.Timeout = 150 * time.Millisecond // is waited for; elsewhere only a failure would
				}
				var r *load.Result
				if a.Model == load.Closed {
					r = some(t, a, 2) // the second one on the same connection, where it is kept
				} else if r = do(t, a); r.Requests != 3 {
					t.Errorf("%s: %d requests in 30 ms at 100/s", a.Model, r.Requests)
				}
				sums(t, r)
				switch row.want {
				case "":
					if r.Successes != r.Requests {
						t.Errorf("%s: failed: %v %v", a.Model, r.Errors, r.Mismatches)
					}
				case "limited":
					if r.Limited != r.Requests {
						t.Errorf("%s: %d of %d limited: %v", a.Model, r.Limited, r.Requests, r.Errors)
					}
				default:
					if r.Errors[row.want] != r.Requests {
						t.Errorf("%s: %v, want %d of %s: %v", a.Model, r.Errors, r.Requests, row.want, r.Mismatches)
					}
				}
				for _, p := range r.Probes {
					if p.OK != (row.want == "" || row.want == "limited") || (!p.OK && p.Err != row.want) {
						t.Errorf("probe %+v", p)
					}
				}
			}
		})
	}
}

func TestNamesAreTallied(t *testing.T) {
	n := 0
	target := raw(t, func(c net.Conn, _ *bufio.Reader) {
		n++
		state := "Miss"
		if n > 1 {
			state = "Hit"
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"+
			"X-Cache-Status: %s\r\nX-Gateway-Node: gateway-%d\r\nx-edge-cache: %s\r\n\r\n", state, n%2, strings.ToUpper(state))
	})
	r := some(t, load.Attack{Connections: 1, Target: target}, 20)
	sums(t, r)
	if r.CacheStatus["Miss"] != 1 || r.CacheStatus["Hit"] != r.Requests-1 {
		t.Errorf("cache %v of %d", r.CacheStatus, r.Requests)
	}
	if r.EdgeCache["MISS"] != 1 || r.EdgeCache["HIT"] != r.Requests-1 {
		t.Errorf("edge %v of %d", r.EdgeCache, r.Requests)
	}
	if a, b := r.Nodes["gateway-0"], r.Nodes["gateway-1"]; a+b != r.Requests || a+1 < b || b < a {
		t.Errorf("nodes %v of %d", r.Nodes, r.Requests)
	}
	var hits uint64
	for _, s := range r.Series {
		hits += s.Hits
	}
	if hits != r.Requests-1 {
		t.Errorf("%d hits in the series", hits)
	}
}

func TestResponseBeforeTheBodyWasRead(t *testing.T) {
	// A server that refuses a long body early, as a gateway with a size limit
	// does: its answer counts, not the broken pipe.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 100))
			_, _ = c.Write([]byte("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
			_ = c.(*net.TCPConn).CloseWrite()
			// As there is unread input, closing resets the connection, which breaks
			// the client's sending. The answer must have arrived by then: on a busy
			// machine no pause is surely long enough for that.
			arrived(t, c.(*net.TCPConn))
			c.Close()
		}
	}()
	defer func() { l.Close(); <-done }()
	r := some(t, load.Attack{Connections: 1, Target: "http://" + l.Addr().String(),
		Requests: []load.Request{{Name: "big", Method: http.MethodPost, Path: "/", Body: strings.Repeat("x", 16<<20)}}}, 2)
	if r.Errors["status_413"] != r.Requests {
		t.Errorf("%v of %d", r.Errors, r.Requests)
	}
}

// arrived waits until the other side has all that was sent, the end included, or
// is gone.
func arrived(t testing.TB, c *net.TCPConn) {
	sc, err := c.SyscallConn()
	if err != nil {
		t.Error(err)
		return
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		const finWait1 = 4 // TCP_FIN_WAIT1: the end was sent and not acknowledged
		var info *unix.TCPInfo
		look := func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }
		if e := sc.Control(look); e != nil || err != nil {
			t.Error(e, err)
			return
		}
		if info.State != finWait1 {
			return
		}
	}
}

func TestKindOf(t *testing.T) {
	for _, row := range []struct {
		err  error
		want string
	}{
		{err: &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}, want: load.KindDNS},
		{err: &net.OpError{Op: "dial", Err: &net.DNSError{Err: "i/o timeout", IsTimeout: true}}, want: load.KindTimeout},
		{err: &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)}, want: load.KindNoPort},
		{err: &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}, want: load.KindNoFiles},
		{err: &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, want: load.KindNoRoute},
		{err: &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, want: load.KindRefused},
		{err: &net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}, want: load.KindReset},
		{err: &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, want: load.KindTimeout},
		{err: fmt.Errorf("read: %w", os.ErrDeadlineExceeded), want: load.KindTimeout},
		{err: io.ErrUnexpectedEOF, want: load.KindEOF},
		{err: errMalformed, want: load.KindMalformed},
		{err: errors.New("something else"), want: load.KindOther},
	} {
		if got := kindOf(row.err); got != row.want {
			t.Errorf("%v is %s, want %s", row.err, got, row.want)
		}
	}
}
