package h2

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

func TestAnAnswerIsOneWrite(t *testing.T) {
	x := start(t, config(ok))
	x.greet()
	x.ask(1, true, "/")
	x.status(1)
	x.body(1)
	before := x.server.writes.Load()
	for id := uint32(3); id < 43; id += 2 {
		x.ask(id, true, "/")
		if got := x.status(id); got != "200" {
			t.Fatal(got)
		}
		if b, _ := x.body(id); string(b) != "ok" {
			t.Fatalf("body %q", b)
		}
	}
	if n := x.server.writes.Load() - before; n != 20 {
		t.Errorf("%d writes for 20 answers", n)
	}
}

// TestAnswersThatAreReadyAtOnce do not disturb each other.
func TestAnswersThatAreReadyAtOnce(t *testing.T) {
	var all sync.WaitGroup
	all.Add(8)
	x := start(t, config(func(s *Stream) {
		all.Done()
		all.Wait()
		ok(s)
	}))
	x.greet()
	for id := uint32(1); id < 17; id += 2 {
		x.ask(id, true, "/")
	}
	got := x.bodies(8)
	for id := uint32(1); id < 17; id += 2 {
		if got[id] != "ok" {
			t.Errorf("stream %d: %q", id, got[id])
		}
	}
}

func TestBodiesBothWays(t *testing.T) {
	x := start(t, config(echo))
	x.greet()
	x.ask(1, false, "/")
	if got := x.status(1); got != "200" {
		t.Fatal(got)
	}
	var got []byte
	part := bytes.Repeat([]byte("0123456789abcdef"), 512)
	for range 100 { // far more than all windows
		x.must(x.WriteDataPadded(1, false, part, make([]byte, 100)))
		for n := 0; n < len(part); {
			f, ok := x.frame().(*http2.DataFrame)
			if !ok {
				t.Fatal("no data")
			}
			n += len(f.Data())
			got = append(got, f.Data()...)
			x.must(x.WriteWindowUpdate(1, f.Length))
			x.must(x.WriteWindowUpdate(0, f.Length))
		}
	}
	x.must(x.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: x.block("x-sum", "5"), EndStream: true, EndHeaders: true}))
	_, trailers := x.body(1)
	if !bytes.Equal(got, bytes.Repeat(part, 100)) {
		t.Errorf("%d bytes came back", len(got))
	}
	if len(trailers) != 2 || trailers[0].Name != "x-sum" || trailers[0].Value != "5" || trailers[1].Name != "x-end" {
		t.Errorf("trailers %v", trailers)
	}
}

func TestReadWaitsAsLongAsItMay(t *testing.T) {
	result := make(chan error, 2)
	x := start(t, config(func(s *Stream) {
		_, waited, err := s.Read(make([]byte, 1), 10*time.Millisecond)
		if waited < 10*time.Millisecond {
			err = errors.New("it has not waited")
		}
		result <- err
		go s.Stop()
		_, _, err = s.Read(make([]byte, 1), patience)
		result <- err
		ok(s)
	}))
	x.greet()
	x.ask(1, false, "/")
	if err := <-result; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a read that may wait for 10 ms: %v", err)
	}
	if err := <-result; !errors.Is(err, ErrStopped) {
		t.Errorf("a read that is stopped: %v", err)
	}
}
