package engine

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gatelab/gatelab/harness/internal/load"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// fasthttp's clock and its workers, which outlive a server that is shut down
		// by their idle time.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

// null starts a null server and gives its address as a target.
func null(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := NewNullServer()
	done := make(chan error, 1)
	go func() { done <- n.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := n.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// server starts an ordinary server.
func server(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// raw starts a server that does as it likes with each connection, once the head
// of a request has come.
func raw(t testing.TB, f func(net.Conn, *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
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
				defer context.AfterFunc(ctx, func() { c.Close() })()
				r := bufio.NewReader(c)
				for {
					if _, err := http.ReadRequest(r); err != nil {
						return
					}
					f(c, r)
				}
			}()
		}
	}()
	t.Cleanup(func() { cancel(); l.Close(); <-done })
	return "http://" + l.Addr().String()
}

// says is a raw server that writes the same to every request.
func says(t testing.TB, text string, then func(net.Conn)) string {
	return raw(t, func(c net.Conn, _ *bufio.Reader) {
		_, _ = io.WriteString(c, text)
		if then != nil {
			then(c)
		}
	})
}

// begin starts an attack. Where it does not say otherwise, it makes up for a
// machine that holds it up near its end, so that what it sends can be counted to
// the request.
func begin(t testing.TB, a load.Attack) *run {
	t.Helper()
	if a.ID == "" {
		a.ID = t.Name()
	}
	if len(a.Requests) == 0 {
		a.Requests = []load.Request{{Name: "get", Path: "/"}}
	}
	r, err := startLate(a, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// do runs an attack to its end.
func do(t testing.TB, a load.Attack) *load.Result {
	t.Helper()
	return wait(t, begin(t, a))
}

// wait waits for an attack's end.
func wait(t testing.TB, r *run) *load.Result {
	t.Helper()
	select {
	case <-r.over:
	case <-time.After(time.Minute):
		r.stop()
		<-r.over
		t.Fatal(errors.New("the attack did not end"))
	}
	return r.result
}

// some runs a closed attack until n requests or more are counted. Unlike one of
// a fixed length it sends something on a machine that is delayed, too.
func some(t testing.TB, a load.Attack, n uint64) *load.Result {
	t.Helper()
	a.Model, a.Duration = load.Closed, 10*time.Minute
	r := begin(t, a)
	defer func() { r.stop(); <-r.over }()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if c, _ := r.rec.counts(); c.Requests >= n {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("fewer than %d requests in a minute", n)
		}
	}
	r.stop()
	<-r.over
	return r.result
}

// sums fails where a result's parts do not add up.
func sums(t testing.TB, r *load.Result) {
	t.Helper()
	if r.Requests != r.Successes+r.Limited+r.Failed {
		t.Errorf("%d requests, but %d + %d + %d", r.Requests, r.Successes, r.Limited, r.Failed)
	}
	var errs, series, byRequest uint64
	for _, n := range r.Errors {
		errs += n
	}
	for _, s := range r.Series {
		series += s.Requests
	}
	for _, c := range r.ByRequest {
		byRequest += c.Requests
	}
	if errs != r.Failed || series != r.Requests || byRequest != r.Requests {
		t.Errorf("%d failed but %d errors; %d requests but %d in the series and %d by name", r.Failed, errs, r.Requests, series, byRequest)
	}
	if n := r.Service.Count(); n != r.Successes {
		t.Errorf("%d latencies for %d successes", n, r.Successes)
	}
	if n := r.ErrorLatency.Count(); n != r.Failed {
		t.Errorf("%d latencies for %d failures", n, r.Failed)
	}
}

// listen is a listener and its address as a target.
func listen(t testing.TB) (net.Listener, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l, "http://" + l.Addr().String()
}
