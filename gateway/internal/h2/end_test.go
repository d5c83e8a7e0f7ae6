package h2

import (
	"io"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// goAway is the GOAWAY that must come next.
func (x *served) goAway() *http2.GoAwayFrame {
	x.t.Helper()
	f := x.frame()
	g, ok := f.(*http2.GoAwayFrame)
	if !ok {
		x.t.Fatalf("got %v, want GOAWAY", f)
	}
	return g
}

// TestTheTwoStepsOfAnEnd: what is on its way when the client hears of the first is
// answered, what comes after the second is not.
func TestTheTwoStepsOfAnEnd(t *testing.T) {
	release, began := make(chan struct{}), make(chan string, 8)
	x := start(t, config(func(s *Stream) {
		began <- s.Path
		<-release
		ok(s)
	}))
	x.greet()
	x.ask(1, true, "/first")
	<-began
	x.conn.GoAway()
	if g := x.goAway(); g.LastStreamID != everyStream || g.ErrCode != http2.ErrCodeNo {
		t.Fatalf("the first step is %v", g)
	}
	p, isPing := x.frame().(*http2.PingFrame)
	if !isPing || p.IsAck() {
		t.Fatal("no PING behind the first step")
	}
	x.ask(3, true, "/second")
	<-began
	x.must(x.WritePing(true, p.Data))
	if g := x.goAway(); g.LastStreamID != 3 || g.ErrCode != http2.ErrCodeNo {
		t.Fatalf("the second step is %v", g)
	}
	x.ask(5, false, "/third")
	x.must(x.WriteData(5, true, []byte("abc")))
	close(release)
	if got := x.bodies(2); got[1] != "ok" || got[3] != "ok" || len(began) > 0 {
		t.Errorf("answered %v, %d more have begun", got, len(began))
	}
	if f, err := x.ReadFrame(); err == nil {
		t.Errorf("%v behind the last answer", f)
	}
	x.ended()
}

// TestAnEndWithoutTheClientsWord takes the second step after a while.
func TestAnEndWithoutTheClientsWord(t *testing.T) {
	x := start(t, config(ok))
	x.greet()
	x.ask(1, true, "/")
	x.status(1)
	x.body(1)
	x.conn.GoAway()
	x.goAway()
	x.frame() // PING
	if g := x.goAway(); g.LastStreamID != 1 {
		t.Errorf("the second step is %v", g)
	}
	x.ended()
}

func TestSettingsThatAreNotAcknowledged(t *testing.T) {
	c := config(ok)
	c.Settings = 50 * time.Millisecond
	for name, hello := range map[string]func(x *served){
		"nothing": func(*served) {},
		"settings of its own": func(x *served) {
			_, err := io.WriteString(x.client, http2.ClientPreface)
			x.must(err)
			x.must(x.WriteSettings())
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := start(t, c)
			hello(x)
			if g := x.goAway(); g.ErrCode != http2.ErrCodeSettingsTimeout {
				t.Errorf("got %v", g)
			}
			x.ended()
		})
	}
}

func TestAnIdleConnectionEnds(t *testing.T) {
	c := config(ok)
	c.Idle = 100 * time.Millisecond
	x := start(t, c)
	x.greet()
	began := time.Now()
	for id := uint32(1); time.Since(began) < 3*c.Idle; id += 2 { // in use, it does not
		x.ask(id, true, "/")
		x.status(id)
		x.body(id)
	}
	if g := x.goAway(); g.ErrCode != http2.ErrCodeNo {
		t.Errorf("got %v", g)
	}
	x.ended()
}

// TestAPanicEndsOneRequest: the others of the connection go on.
func TestAPanicEndsOneRequest(t *testing.T) {
	told := make(chan any, 1)
	c := config(func(s *Stream) {
		if s.Path == "/bad" {
			panic("a bug")
		}
		ok(s)
	})
	c.Panicked = func(reason any, _ []byte) { told <- reason }
	x := start(t, c)
	x.greet()
	x.ask(1, true, "/bad")
	if f, ok := x.frame().(*http2.RSTStreamFrame); !ok || f.ErrCode != http2.ErrCodeInternal {
		t.Error("the stream is not reset")
	}
	if reason := <-told; reason != "a bug" {
		t.Errorf("told %v", reason)
	}
	x.ask(3, true, "/")
	if got := x.status(3); got != "200" {
		t.Errorf("the next request: %s", got)
	}
}

// TestRequestsThatAreTakenBackDoNotPileUp: a client may have as many open as it
// likes and the server as many answered as it allows; the others wait for those.
func TestRequestsThatAreTakenBackDoNotPileUp(t *testing.T) {
	release, began := make(chan struct{}), make(chan string, 64)
	c := config(func(s *Stream) {
		began <- s.Path
		<-release
		ok(s)
	})
	c.Streams = 2
	x := start(t, c)
	x.greet()
	for id := uint32(1); id < 9; id += 2 {
		x.ask(id, true, "/back")
		x.must(x.WriteRSTStream(id, http2.ErrCodeCancel))
	}
	x.ask(9, true, "/waits")
	x.must(x.WritePing(false, [8]byte{1}))
	for { // until the server has seen all of it
		if p, ok := x.frame().(*http2.PingFrame); ok && p.IsAck() {
			break
		}
	}
	<-began
	<-began
	if n := len(began); n != 0 {
		t.Errorf("%d requests more than 2 are worked on", n)
	}
	close(release)
	if got := x.status(9); got != "200" {
		t.Errorf("the one that waits: %s", got)
	}
	if path := <-began; path != "/waits" {
		t.Errorf("%s was begun, which was taken back before", path)
	}
	// Without an end to it, the connection ends.
	hold := make(chan struct{})
	defer close(hold)
	c.Handle = func(*Stream) { <-hold }
	x = start(t, c)
	x.greet()
	for id := uint32(1); id < 101; id += 2 {
		block := x.block(":method", "GET", ":scheme", "http", ":authority", "x", ":path", "/")
		_ = x.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndStream: true, EndHeaders: true})
		_ = x.WriteRSTStream(id, http2.ErrCodeCancel)
	}
	if g := x.goAway(); g.ErrCode != http2.ErrCodeEnhanceYourCalm {
		t.Errorf("got %v", g)
	}
}

// brokenSocket panics where a connection reads.
type brokenSocket struct{ *socket }

func (brokenSocket) Buffered() int { panic("a bug of the transport") }

// TestAPanicOfAConnection ends it, with its requests.
func TestAPanicOfAConnection(t *testing.T) {
	told := make(chan any, 1)
	c := config(ok)
	c.Panicked = func(reason any, _ []byte) { told <- reason }
	client, server := sockets(t)
	defer client.Close()
	s := NewServer(c)
	defer s.Close()
	conn := s.NewConn(brokenSocket{newSocket(server)})
	_, err := io.WriteString(client, http2.ClientPreface)
	if err != nil {
		t.Fatal(err)
	}
	conn.Serve()
	_ = server.Close()
	if reason := <-told; reason != "a bug of the transport" {
		t.Errorf("told %v", reason)
	}
}
