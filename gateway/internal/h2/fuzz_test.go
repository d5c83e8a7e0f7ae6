package h2

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// attempt sends bytes behind the preface, over a connection, and checks that all ends
// with it: the connection, its requests, and every goroutine.
func attempt(t *testing.T, words []byte) {
	t.Helper()
	before := runtime.NumGoroutine()
	var running, begun atomic.Int64
	c := config(nil)
	c.Handle = func(s *Stream) {
		running.Add(1)
		begun.Add(1)
		defer running.Add(-1)
		misbehave(s)
	}
	var broken atomic.Value
	c.Panicked = func(reason any, stack []byte) { broken.Store(string(stack)); _ = reason }
	client, server := sockets(t)
	defer client.Close()
	s := NewServer(c)
	conn := s.NewConn(newSocket(server))
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn.Serve()
		_ = server.Close()
	}()
	_ = client.SetDeadline(time.Now().Add(patience))
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(io.Discard, client)
	}()
	_, _ = client.Write(append([]byte(http2.ClientPreface), words...))
	_ = client.(interface{ CloseWrite() error }).CloseWrite()
	for what, end := range map[string]chan struct{}{"the connection": served, "the client": read} {
		select {
		case <-end:
		case <-time.After(patience):
			t.Fatalf("%s does not end", what)
		}
	}
	s.Close()
	left := func() string {
		conn.mu.Lock()
		defer conn.mu.Unlock()
		if n := runtime.NumGoroutine() - before; n > 0 || conn.open != 0 || conn.running != 0 || len(conn.blocked) != 0 {
			return fmt.Sprintf("%d goroutines; %d streams are open, %d are answered, %d wait", n, conn.open, conn.running, len(conn.blocked))
		}
		return ""
	}
	for end := time.Now().Add(patience); running.Load() > 0 || left() != ""; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d of %d requests are left, %s", running.Load(), begun.Load(), left())
		}
	}
	if stack := broken.Load(); stack != nil {
		t.Fatal(stack)
	}
}

// misbehave answers in a way that depends on the request: without reading it, with
// it, in parts, without an end, twice.
func misbehave(s *Stream) {
	field := []Field{{[]byte("X-Path"), []byte(s.Path)}}
	switch len(s.Path) % 7 {
	case 0:
		ok(s)
	case 1:
		echo(s)
	case 2:
		_ = s.SendHead(200, field, true)
		s.Flush()
		_ = s.SendHead(200, field, true)
	case 3:
		s.SendInterim(103, field)
		_ = s.SendHead(200, field, false)
		_, _ = s.Send(make([]byte, 200<<10), true, time.Millisecond)
	case 4:
		done := make(chan struct{})
		go func() { // reads on while the answer is sent
			defer close(done)
			_, _, _ = s.Read(make([]byte, 100), 10*time.Millisecond)
			s.Stop()
		}()
		ok(s)
		<-done
	case 5:
		s.Reset(http2.ErrCodeInternal)
	}
}

// orders makes frames of bytes: most are right, some in the wrong place, and the
// last kind is whatever the bytes are.
func orders(b []byte) []byte {
	var out, head bytes.Buffer
	f := http2.NewFramer(&out, nil)
	f.AllowIllegalWrites = true
	enc := hpack.NewEncoder(&head)
	_ = f.WriteSettings()
	for len(b) >= 3 {
		id, n := uint32(b[1])%24, int(b[2])
		kind := b[0] % 16
		b = b[3:]
		switch kind {
		case 0, 1, 2, 3:
			head.Reset()
			for _, one := range []hpack.HeaderField{
				{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "x"},
				{Name: ":path", Value: "/" + strings.Repeat("a", n%9)}, {Name: "x-n", Value: strings.Repeat("n", n)},
			} {
				_ = enc.WriteField(one)
			}
			block := head.Bytes()
			cut := len(block) * (n % 5) / 4
			_ = f.WriteHeaders(http2.HeadersFrameParam{
				StreamID: id, BlockFragment: block[:min(cut+1, len(block))], EndStream: kind == 0, EndHeaders: cut+1 >= len(block), PadLength: b1(b),
			})
			if cut+1 < len(block) {
				_ = f.WriteContinuation(id, true, block[cut+1:])
			}
		case 4, 5, 6:
			_ = f.WriteDataPadded(id, n%4 == 0, make([]byte, n*n), make([]byte, n%3))
		case 7:
			_ = f.WriteRSTStream(id, http2.ErrCode(n))
		case 8:
			_ = f.WriteWindowUpdate(id, uint32(n)<<(n%24))
		case 9:
			_ = f.WriteSettings(http2.Setting{ID: http2.SettingID(id % 8), Val: uint32(n) << (n % 20)})
		case 10:
			_ = f.WritePing(n%2 == 0, [8]byte{byte(n)})
		case 11:
			head.Reset()
			_ = enc.WriteField(hpack.HeaderField{Name: "x-trailer", Value: strings.Repeat("t", n)})
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: head.Bytes(), EndStream: n%2 == 0, EndHeaders: true})
		case 12:
			_ = f.WriteGoAway(id, http2.ErrCode(n), nil)
		case 13:
			_ = f.WriteSettingsAck()
		case 14:
			_ = f.WritePriority(id, http2.PriorityParam{StreamDep: uint32(n)})
		default:
			n = min(n, len(b))
			_ = f.WriteRawFrame(http2.FrameType(id), http2.Flags(n), id, b[:n])
			b = b[n:]
		}
	}
	return append(out.Bytes(), b...)
}

func b1(b []byte) byte {
	if len(b) > 0 {
		return b[0] % 8
	}
	return 0
}

// FuzzBytes sends bytes as they are.
func FuzzBytes(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	for _, program := range [][]byte{{0, 1, 9}, {1, 1, 3, 4, 1, 8, 11, 1, 2}, {1, 1, 4, 7, 1, 0, 4, 1, 200}, {0, 1, 3, 9, 4, 1, 8, 0, 1}} {
		f.Add(orders(program))
	}
	f.Fuzz(func(t *testing.T, b []byte) { attempt(t, b) })
}

// FuzzFrames sends frames that mostly are right.
func FuzzFrames(f *testing.F) {
	for n := range byte(9) {
		f.Add([]byte{1, 1, n, 4, 1, 9, 4, 1, 8, 0, 3, n, 8, 0, 40, 11, 1, 2, 7, 3, 1, 10, 0, 1})
	}
	f.Fuzz(func(t *testing.T, b []byte) { attempt(t, orders(b)) })
}

// TestRandomFrames is FuzzFrames where nothing learns: a thousand sequences of frames.
func TestRandomFrames(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // repeatable
	for range 1000 {
		b := make([]byte, 3*(1+random.IntN(40)))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		attempt(t, orders(b))
		if t.Failed() {
			t.Fatalf("after the orders %v", b)
		}
	}
}
