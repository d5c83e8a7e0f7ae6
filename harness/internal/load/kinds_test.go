package load

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
)

// closedPort is a target where nobody listens.
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
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Origin-Body: %s\r\n%s\r\n%s", len(b), hashOf([]byte(b)), strings.Join(append(header, ""), "\r\n"), b)
	}
	seven := Request{Path: "/models/{id}", IDs: 1} // asks for id 1 only
	for _, row := range []struct {
		what   string
		target func(testing.TB) string
		req    Request
		want   string // kind of failure, "" for success, "limited"
	}{
		{"a success", status(200, hash), Request{}, ""},
		{"a success without a content length", text("HTTP/1.1 200 OK\r\n"+hash+"\r\n\r\nhello", hangup), Request{}, ""},
		{"a success in chunks", text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"+hash+"\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nTrailer: x\r\n\r\n", nil), Request{}, ""},
		{"a success after an interim answer", text("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"+ok+hash+"\r\n\r\nhello", nil), Request{}, ""},
		{"a success of HTTP/1.0", text("HTTP/1.0 200 OK\r\n"+hash+"\r\n\r\nhello", hangup), Request{}, ""},
		{"an event stream needs no hash", status(200, "Content-Type: text/event-stream; charset=utf-8"), Request{}, ""},
		{"the answer to a HEAD has no body", text("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", nil), Request{Method: "HEAD"}, ""},
		{"204 has no body", text("HTTP/1.1 204 No Content\r\n\r\n", nil), Request{Expect: []int{204}}, ""},
		{"an expected 404", status(404, hash), Request{Expect: []int{200, 404}}, ""},
		{"an expected 429", status(429, hash), Request{Expect: []int{429}}, ""},
		{"a limit that is allowed", status(429, "X-Kong-Response-Latency: 1"), Request{LimitedOK: true}, "limited"},
		{"a limit that is not", status(429, "X-Kong-Response-Latency: 1"), Request{}, KindGateway429},
		{"the origin's limit is never allowed", status(429), Request{LimitedOK: true}, KindOrigin429},
		{"an unknown model", status(404), Request{}, "status_404"},
		{"an overloaded gateway", status(503), Request{}, "status_503"},
		{"a strange status", status(418), Request{}, "status_418"},
		{"a success that was not expected", status(200), Request{Expect: []int{201}}, "status_200"},
		{"another body than the origin's", status(200, "X-Origin-Body: 0123456789abcdef"), Request{}, KindMismatch},
		{"a cache that mixes up bodies", status(200, "X-Kong-Response-Latency: 0", "X-Cache-Status: Hit", "X-Origin-Body: 0123456789abcdef"), Request{}, KindMismatch},
		{"a hash that got lost", status(200), Request{}, KindUnhashed},
		{"what the gateway made by itself has no hash", status(200, "X-Kong-Response-Latency: 0"), Request{}, ""},
		{"another model than asked for", text(body(model), nil), seven, KindMismatch},
		{"a cache that mixes up keys", text(body(model, "X-Kong-Response-Latency: 0"), nil), seven, KindMismatch},
		{"the model asked for", text(body(strings.ReplaceAll(model, "7", "1")), nil), seven, ""},
		{"a longer id that begins alike", text(body(strings.ReplaceAll(model, "7", "12")), nil), seven, KindMismatch},
		{"nobody listens", closedPort, Request{}, KindRefused},
		{"no answer", text("", nil), Request{}, KindTimeout},
		{"half an answer", text(ok+"\r\nhe", nil), Request{}, KindTimeout},
		{"an end before the answer", text("", hangup), Request{}, KindEOF},
		{"an end within the headers", text("HTTP/1.1 200 OK\r\nContent-", hangup), Request{}, KindEOF},
		{"an end within the body", text(ok+"\r\nhe", hangup), Request{}, KindEOF},
		{"an end within the chunks", text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", hangup), Request{}, KindEOF},
		{"a reset", text("", func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); c.Close() }), Request{}, KindReset},
		{"another protocol", text("SSH-2.0-OpenSSH_9.9\r\n\r\n", nil), Request{}, KindMalformed},
		{"no number for a length", text("HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello", nil), Request{}, KindMalformed},
		{"two lengths", text("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", nil), Request{}, KindMalformed},
		{"a coding nobody asked for", text("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello", nil), Request{}, KindMalformed},
		{"a chunk without a size", text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nhello", nil), Request{}, KindMalformed},
		{"more than the body", text(ok+hash+"\r\n\r\nhello world", nil), Request{}, KindMalformed},
		{"a protocol nobody asked for", text("HTTP/1.1 101 Switching Protocols\r\n\r\n", nil), Request{}, KindMalformed},
	} {
		t.Run(row.what, func(t *testing.T) {
			target := row.target(t)
			row.req.Name = "it"
			if row.req.Path == "" {
				row.req.Path = "/"
			}
			for _, a := range []Attack{
				{Model: Closed, Connections: 1},
				{Model: Open, Rate: 100, Duration: 30 * time.Millisecond},
				{Model: Probes, Rate: 100, Duration: 30 * time.Millisecond},
			} {
				a.Target, a.Timeout, a.SampleEvery, a.Requests = target, 10*time.Second, 1, []Request{row.req}
				if row.want == KindTimeout {
					a.Timeout = 150 * time.Millisecond // is waited for; elsewhere only a failure would
				}
				var r *Result
				if a.Model == Closed {
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
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Cache-Status: %s\r\nX-Gateway-Node: gateway-%d\r\nx-edge-cache: %s\r\n\r\n", state, n%2, strings.ToUpper(state))
	})
	r := some(t, Attack{Connections: 1, Target: target}, 20)
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

func TestAnswerBeforeTheBodyWasRead(t *testing.T) {
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
	r := some(t, Attack{Connections: 1, Target: "http://" + l.Addr().String(),
		Requests: []Request{{Name: "big", Method: http.MethodPost, Path: "/", Body: strings.Repeat("x", 16<<20)}}}, 2)
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
		if e := sc.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); e != nil || err != nil {
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
		{&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}, KindDNS},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Err: "i/o timeout", IsTimeout: true}}, KindTimeout},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)}, KindNoPort},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}, KindNoFiles},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, KindNoRoute},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, KindRefused},
		{&net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}, KindReset},
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, KindTimeout},
		{fmt.Errorf("read: %w", os.ErrDeadlineExceeded), KindTimeout},
		{io.ErrUnexpectedEOF, KindEOF},
		{errMalformed, KindMalformed},
		{errors.New("the moon is full"), KindOther},
	} {
		if got := kindOf(row.err); got != row.want {
			t.Errorf("%v is %s, want %s", row.err, got, row.want)
		}
	}
}
