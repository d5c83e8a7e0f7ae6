package h2

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestAnswersWithoutABodyThatAreNotRead: headers wait for no window, so that it is the
// requests that must wait for a client that reads nothing.
func TestAnswersWithoutABodyThatAreNotRead(t *testing.T) {
	const size, slack = 4 << 10, 8 * (5 << 10) // the answers of requests that are under way already
	answered := make(chan struct{}, 8)
	x := start(t, config(func(s *Stream) {
		_ = s.SendHead(200, []Field{{[]byte("x-long"), bytes.Repeat([]byte("a"), size)}}, true)
		answered <- struct{}{}
		s.Flush()
	}))
	x.greet()
	const most = 1000 // 4 MiB of answers
	asked := uint32(0)
	for held := false; !held && asked < most; asked++ {
		x.ask(2*asked+1, true, "/")
		for done := false; !done && !held; {
			select {
			case <-answered:
				done = true
			default:
				runtime.Gosched()
			}
			x.conn.mu.Lock()
			pending := x.conn.pending()
			held = pending >= mostControl && len(x.conn.waiting) > 0 && x.conn.running < x.conn.server.config.Streams
			x.conn.mu.Unlock()
			if pending > mostControl+slack {
				t.Fatalf("%d bytes wait for a client that reads nothing", pending)
			}
		}
	}
	if asked == most {
		t.Fatalf("%d requests were answered to a client that reads nothing", asked)
	}
	go func() { // so that no answer waits for the test
		for range answered { //nolint:revive // see above
		}
	}()
	t.Cleanup(func() { close(answered) })
	for id := uint32(1); id < 2*asked; id += 2 {
		if got := x.status(id); got != "200" {
			t.Fatalf("stream %d: %s", id, got)
		}
	}
}

// TestTheLastAnswerReachesASlowClient: a connection that is drained, or otherwise idle,
// ends when its client has taken the last answer.
func TestTheLastAnswerReachesASlowClient(t *testing.T) {
	t.Run("drained", func(t *testing.T) {
		answerSlowly(t, patience, func(x *served) {
			x.conn.GoAway()
			x.must(x.WritePing(true, drainPing))
		})
	})
	t.Run("idle", func(t *testing.T) { answerSlowly(t, 100*time.Millisecond, func(*served) {}) })
}

func answerSlowly(t *testing.T, idle time.Duration, leave func(x *served)) {
	const size = 60 << 10
	began, release := make(chan struct{}), make(chan struct{})
	c := config(func(s *Stream) {
		close(began)
		<-release
		_ = s.SendHead(200, nil, false)
		_, _ = s.Send(make([]byte, size), true, patience)
	})
	c.Idle = idle
	x := start(t, c)
	x.must(x.server.Conn.(interface{ SetWriteBuffer(n int) error }).SetWriteBuffer(4 << 10))
	x.greet()
	x.ask(1, true, "/")
	<-began
	for full := false; !full; { // until the goroutine that writes for the reader waits for the client
		x.must(x.WritePing(false, [8]byte{}))
		x.conn.mu.Lock()
		full = x.conn.flushing && x.conn.pending() > 1000
		x.conn.mu.Unlock()
	}
	leave(x)
	close(release)
	select {
	case <-x.done:
		t.Error("the connection has ended before its client has read the answer")
	case <-time.After(farewell + farewell/2):
	}
	if x.conn.IsIdle() {
		t.Error("the connection may make room for others before its client has read the answer")
	}
	got, ended := 0, false
	for { // to the end of the connection: answers to pings may come behind the last one
		f, err := x.ReadFrame()
		if err != nil {
			break
		}
		if d, ok := f.(*http2.DataFrame); ok {
			got += len(d.Data())
			ended = d.StreamEnded()
		}
	}
	if got != size || !ended {
		t.Errorf("%d bytes of %d, ended: %v", got, size, ended)
	}
	x.ended()
}

// TestARequestThatMeetsTheEndOfAnIdleConnection is not answered: by GOAWAY the client
// knows that it was not, and sends it again elsewhere.
func TestARequestThatMeetsTheEndOfAnIdleConnection(t *testing.T) {
	paths := make(chan string, 8)
	c := config(func(s *Stream) {
		paths <- s.Path
		ok(s)
	})
	c.Idle = 100 * time.Millisecond
	x := start(t, c)
	x.greet()
	x.ask(1, true, "/")
	x.status(1)
	x.body(1)
	<-paths
	gate := make(chan struct{})
	x.server.late.Store(&gate)
	x.ask(3, true, "/late")
	g := x.goAway()
	close(gate)
	if g.LastStreamID != 1 {
		t.Fatalf("got %v", g)
	}
	x.ended()
	x.conn.mu.Lock()
	n := len(x.conn.streams)
	x.conn.mu.Unlock()
	if n > 0 || len(paths) > 0 {
		t.Error("a request is answered that was announced not to be")
	}
}

// TestGoAwayNamesNoLaterStreamThanBefore (RFC 9113, 6.8): the client may have sent those
// in between elsewhere.
func TestGoAwayNamesNoLaterStreamThanBefore(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	x := start(t, config(func(*Stream) { <-release }))
	x.greet()
	x.ask(1, true, "/")
	x.conn.GoAway()
	x.goAway()
	x.frame() // PING
	x.must(x.WritePing(true, drainPing))
	if g := x.goAway(); g.LastStreamID != 1 {
		t.Fatalf("the second step is %v", g)
	}
	x.ask(3, true, "/")
	x.must(x.WriteWindowUpdate(0, 1<<31-1)) // too much
	if g := x.goAway(); g.LastStreamID != 1 || g.ErrCode != http2.ErrCodeFlowControl {
		t.Errorf("the last word is %v", g)
	}
}

// TestTrailersOfManyStreamsThatWereReset harm no other stream: all of them may be on
// their way when the client hears of it.
func TestTrailersOfManyStreamsThatWereReset(t *testing.T) {
	const streams = 64
	c := config(ok) // which does not read its body
	c.Streams = streams
	x := start(t, c)
	x.greet()
	for i := range uint32(streams) {
		x.ask(2*i+1, false, "/")
	}
	for reset := 0; reset < streams; {
		if _, ok := x.frame().(*http2.RSTStreamFrame); ok {
			reset++
		}
	}
	for i := range uint32(streams) {
		x.must(x.WriteHeaders(http2.HeadersFrameParam{
			StreamID: 2*i + 1, BlockFragment: x.block("x-sum", "5"), EndStream: true, EndHeaders: true,
		}))
	}
	x.ask(2*streams+1, true, "/")
	if got := x.status(2*streams + 1); got != "200" {
		t.Errorf("got %s", got)
	}
}

// TestHintsDoNotStandFor100Continue: a client that waits for it has to be told also when
// it has got another answer before the answer.
func TestHintsDoNotStandFor100Continue(t *testing.T) {
	x := start(t, config(func(s *Stream) {
		s.SendInterim(103, []Field{{[]byte("link"), []byte("</a>")}})
		_, _, _ = s.Read(make([]byte, 8), patience)
		ok(s)
	}))
	x.greet()
	x.ask(1, false, "/", "expect", "100-continue")
	if got := x.status(1); got != "103" {
		t.Fatalf("got %s", got)
	}
	if got := x.status(1); got != "100" {
		t.Fatalf("got %s", got)
	}
	x.must(x.WriteData(1, true, []byte("a")))
	if got := x.status(1); got != "200" {
		t.Errorf("got %s", got)
	}
}
