package engine

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// modelServer has each request, the nth of its connection, answered by a
// function that knows the right answer: model N to /models/N.
func modelServer(t testing.TB, answer func(c net.Conn, nth int, right string)) string {
	t.Helper()
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
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for nth := 1; ; nth++ {
					q, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					body := fmt.Sprintf(`{"id":"model-%s"}`, strings.TrimPrefix(q.URL.Path, "/models/"))
					answer(c, nth, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Origin-Body: %s\r\n\r\n%s", len(body),
						hashOf([]byte(body)), body))
				}
			}()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return "http://" + l.Addr().String()
}

// An answer that is right in itself, but another request's, is told by the id in
// it, and the connection on which it came is not used again: all that follow
// would be one request late.
func TestLateAnswerIsNotTheNextOne(t *testing.T) {
	other := `{"id":"model-0"}`
	late := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Origin-Body: %s\r\n\r\n%s", len(other), hashOf([]byte(other)), other)
	target := modelServer(t, func(c net.Conn, nth int, right string) {
		if nth == 2 {
			_, _ = io.WriteString(c, late)
			time.Sleep(5 * time.Millisecond) // so that the two are read one by one
		}
		_, _ = io.WriteString(c, right)
	})
	r := do(t, load.Attack{Model: load.Closed, Target: target, Connections: 2, Duration: 300 * time.Millisecond, SampleEvery: 1,
		Requests: []load.Request{{Name: "get", Path: "/models/{id}", IDs: 1_000_000}}})
	sums(t, r)
	// A client that was not run for 5 ms reads both at once, and finds bytes behind the answer.
	together := r.Errors[load.KindMalformed]
	wrong := r.Errors[load.KindMismatch] + together
	if wrong == together || r.Failed != wrong {
		t.Fatalf("errors %v, want mismatches, and malformed ones where both came together: %v", r.Errors, r.Mismatches)
	}
	// Each connection: one right answer, one wrong one, and its end.
	if diff := int64(r.Successes) - int64(wrong); diff < -2 || diff > 2 {
		t.Errorf("%d right and %d wrong answers, want as many of each", r.Successes, wrong)
	}
}

// Bytes that come while a connection is idle are told before it is used again,
// though they look like the next answer, and are for the same id.
func TestBytesOnAnIdleConnectionAreTold(t *testing.T) {
	target := modelServer(t, func(c net.Conn, _ int, right string) {
		_, _ = io.WriteString(c, right)
		time.Sleep(10 * time.Millisecond)
		_, _ = io.WriteString(c, right)
	})
	// The requests are 100 ms apart: each second one finds the bytes.
	r := do(t, load.Attack{Model: load.Open, Target: target, Rate: 10, Connections: 1, Duration: time.Second, SampleEvery: 1,
		Requests: []load.Request{{Name: "get", Path: "/models/{id}", IDs: 1}}})
	sums(t, r)
	if r.Errors[load.KindMalformed] != 5 || r.Successes != 5 {
		t.Errorf("%d successes, errors %v, want five of each: %v", r.Successes, r.Errors, r.Mismatches)
	}
	if len(r.Mismatches) == 0 || !strings.Contains(r.Mismatches[0].Detail, "idle connection") {
		t.Errorf("described as %v", r.Mismatches)
	}
}

// A request that could not be sent is not answered by what was waiting.
func TestWaitingBytesAreNoAnswerToWhatWasNotSent(t *testing.T) {
	for _, row := range []struct {
		name, text string
		want       outcome
	}{
		{name: "an answer that is another request's", want: failure,
			text: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Origin-Body: 0123456789abcdef\r\n\r\nhi"},
		{name: "a refusal", text: "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n", want: failure},
	} {
		here, there := net.Pipe()
		c := newConn()
		c.attach(here)
		go func() { _, _ = io.WriteString(there, row.text); there.Close() }()
		if err := c.earlyResponse(io.ErrClosedPipe, false); err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		req := &preparedRequest{}
		req.expect[200] = true
		if v := req.judge(0, &c.res.response); v.outcome != row.want || !c.res.close {
			t.Errorf("%s: %+v, closed %v", row.name, v, c.res.close)
		}
		here.Close()
	}
}
