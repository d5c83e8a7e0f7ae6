package proxycache

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/cache"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// source is an upstream's body that a test sends piece by piece.
type source struct {
	pieces chan piece
	rest   piece
	cut    chan struct{}
	closed bool
}

type piece struct {
	data []byte
	err  error
}

func newSource() *source { return &source{pieces: make(chan piece), cut: make(chan struct{})} }

func (s *source) Read(p []byte) (int, error) {
	if len(s.rest.data) == 0 {
		select {
		case <-s.cut:
			return 0, errors.New("interrupted")
		case next, ok := <-s.pieces:
			if !ok {
				return 0, io.EOF
			}
			s.rest = next
		}
	}
	n := copy(p, s.rest.data)
	if s.rest.data = s.rest.data[n:]; len(s.rest.data) > 0 {
		return n, nil
	}
	return n, s.rest.err
}

func (s *source) Close() error   { s.closed = true; return nil }
func (s *source) send(n int)     { s.pieces <- piece{data: bytes.Repeat([]byte{'x'}, n)} }
func (s *source) interrupt()     { close(s.cut) }
func (s *source) end(last piece) { s.pieces <- last }

// spooling leads a fill of /a from a source, and returns its stream.
func spooling(t *testing.T, b *cacheBench, size int) (*source, *spool, *plugin.Exchange) {
	t.Helper()
	src := newSource()
	x := request("/a")
	if b.plugin.Access(x) {
		t.Fatal("a hit in an empty cache")
	}
	x.Interrupt = src.interrupt
	x.Ctx.SetContentType("text/plain")
	x.Ctx.Response.SetBodyStream(src, size)
	x.Proxied = true
	b.plugin.HeaderFilter(x)
	s, ok := x.Ctx.Response.BodyStream().(*spool)
	if !ok {
		t.Fatalf("the body is a %T", x.Ctx.Response.BodyStream())
	}
	return src, s, x
}

func TestAFillDoesNotWaitForItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCacheBench(t, nil)
		src, s, x := spooling(t, b, -1)
		follower := make(chan *fasthttp.Response, 1)
		go func() {
			y := request("/a")
			b.plugin.Access(y)
			follower <- &y.Ctx.Response
		}()
		synctest.Wait()
		for range 6 {
			src.send(10_000) // the client reads nothing of it
		}
		close(src.pieces)
		if r := <-follower; len(r.Body()) != 60_000 {
			t.Errorf("the follower has %d bytes", len(r.Body()))
		}
		got, err := io.ReadAll(s)
		if err != nil || len(got) != 60_000 {
			t.Errorf("the client has %d bytes: %v", len(got), err)
		}
		if err := s.CloseWithError(nil); err != nil || !src.closed || !x.Spooled || x.Delivered != 60_000 {
			t.Errorf("closed: %v, the source %t, delivered %d", err, src.closed, x.Delivered)
		}
	})
}

func TestABodyThatIsNotWholeIsNotStored(t *testing.T) {
	whole := strings.Repeat("x", 100)
	for name, c := range map[string]struct {
		size   int
		last   piece
		stored bool
	}{
		"whole, of known length":             {size: 100, last: piece{data: []byte(whole)}, stored: true},
		"whole, with its end at once":        {size: 100, last: piece{[]byte(whole), io.EOF}, stored: true},
		"an error with the last bytes":       {size: 100, last: piece{[]byte(whole), errors.New("broken")}},
		"an error with the last bytes, open": {size: -1, last: piece{[]byte(whole), errors.New("broken")}},
		"broken off, open":                   {size: -1, last: piece{[]byte(whole), io.ErrUnexpectedEOF}},
		"short":                              {size: 101, last: piece{[]byte(whole), io.EOF}},
		"the end with data, open":            {size: -1, last: piece{[]byte(whole), io.EOF}, stored: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newCacheBench(t, nil)
				src, s, _ := spooling(t, b, c.size)
				go src.end(c.last)
				synctest.Wait()
				got, err := io.ReadAll(io.LimitReader(s, 100))
				if len(got) < 100 {
					t.Errorf("the client has %d bytes: %v", len(got), err)
				}
				_ = s.CloseWithError(nil)
				x := request("/a")
				if hit := b.plugin.Access(x); hit != c.stored {
					t.Errorf("stored: %t, want %t", hit, c.stored)
				}
				b.plugin.Log(x)
			})
		})
	}
}

func TestAClientThatLeavesAbandonsItsFill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCacheBench(t, nil)
		src, s, _ := spooling(t, b, 60_000)
		src.send(1000)
		next := make(chan bool, 1)
		follower := request("/a")
		go func() { next <- b.plugin.Access(follower) }()
		synctest.Wait()
		_ = s.CloseWithError(errors.New("reset by peer")) // ends the goroutine, or the bubble would find it
		if <-next {
			t.Error("the follower was answered with a part")
		}
		b.plugin.Log(follower)
		if !src.closed {
			t.Error("the upstream's stream is open")
		}
	})
}

func TestABodyBeyondTheCacheIsReadByItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newCacheBench(t, nil)
		src, s, x := spooling(t, b, -1)
		sent := 0
		go func() {
			for range 10 {
				src.send(16 << 10)
				sent += 16 << 10
			}
			close(src.pieces)
		}()
		synctest.Wait()
		if sent > 1<<16+16<<10 {
			t.Errorf("%d bytes were read ahead, the cache takes %d", sent, 1<<16)
		}
		got, err := io.ReadAll(s)
		if err != nil || len(got) != 10*16<<10 {
			t.Errorf("the client has %d bytes: %v", len(got), err)
		}
		_ = s.CloseWithError(nil)
		if x.Delivered != int64(len(got)) {
			t.Errorf("delivered %d", x.Delivered)
		}
	})
}

// All fills together are bounded: beyond it each goes on at its own client's pace.
func TestFillsTogetherAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := cache.New(cache.Config{AheadBytes: 1}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		b := newCacheBench(t, nil)
		b.plugin.store = store
		src, s, _ := spooling(t, b, -1)
		sent := 0
		go func() {
			for range 40 {
				src.send(8 << 10)
				sent += 8 << 10
			}
			close(src.pieces)
		}()
		synctest.Wait()
		if sent > spoolMargin+2*8<<10 {
			t.Errorf("%d bytes were read ahead", sent)
		}
		got, err := io.ReadAll(s)
		if err != nil || len(got) != 40*8<<10 {
			t.Errorf("the client has %d bytes: %v", len(got), err)
		}
		_ = s.CloseWithError(nil)
		if !store.ReadAhead(1) || store.ReadAhead(1) {
			t.Error("what was read ahead is still counted")
		}
	})
}
