package upstream

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// endlessBody is a body that never ends.
type endlessBody struct{}

func (endlessBody) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestAnErrorThatComesBeforeTheBodyIsSentIsPassedOn(t *testing.T) {
	for name, write := range map[string]time.Duration{
		"long before the time-out": time.Hour, // else the test would not end
		"with the time-out":        100 * time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			origin, _ := listen(t, func(c net.Conn) {
				if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
				}
				<-release // reads nothing more, and closes nothing
			})
			defer close(release)
			p := NewPools(Config{Keepalive: 4, EjectAfter: 1}, nil)
			defer p.Close()
			b := serviceAt(t, p, origin)
			call := newCall(b)
			call.Write = write
			call.Request.Header.SetMethod("POST")
			call.Request.SetBodyStream(endlessBody{}, -1)
			if err := p.Do(call); err != nil || call.Response.StatusCode() != 413 || string(call.Response.Body()) != "no" {
				t.Fatalf("got %d %q: %v", call.Response.StatusCode(), call.Response.Body(), err)
			}
			if !call.Target.available(time.Now().UnixNano()) {
				t.Error("the target was blamed")
			}
			if n := p.Idle(); n != 0 {
				t.Error("a connection with half a request on it was kept")
			}
		})
	}
}

func TestAnAnswerThatIsNoErrorDoesNotHurryTheBody(t *testing.T) {
	const size = 4 << 20
	origin, _ := listen(t, func(c net.Conn) {
		br := bufio.NewReader(c)
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
		if n, err := io.Copy(io.Discard, r.Body); n != size || err != nil {
			t.Errorf("the origin read %d bytes: %v", n, err)
		}
		_, _ = io.WriteString(c, "ok")
		_, _ = br.ReadByte() // until the gateway closes
	})
	p := NewPools(Config{Keepalive: 4}, nil)
	defer p.Close()
	call := newCall(serviceAt(t, p, origin))
	call.Request.Header.SetMethod("PUT")
	call.Request.SetBodyStream(io.LimitReader(endlessBody{}, size), size)
	if err := p.Do(call); err != nil || string(call.Response.Body()) != "ok" {
		t.Fatalf("got %q: %v", call.Response.Body(), err)
	}
	if n := p.Idle(); n != 1 {
		t.Errorf("%d connections are kept, want 1", n)
	}
}
