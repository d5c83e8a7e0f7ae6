package h2

import (
	"bytes"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
)

// TestDataOnClosedStreamsIsGivenBack: what comes for a stream that has ended counts
// against the window of all.
func TestDataOnClosedStreamsIsGivenBack(t *testing.T) {
	x := start(t, config(ok)) // which does not read its body
	x.greet()
	left, part := initialWindow, bytes.Repeat([]byte("a"), 8<<10)
	for id := uint32(1); id < 101; id += 2 { // 400 KiB, through a window of 128
		x.ask(id, false, "/")
		for answered, reset := false, false; !answered || !reset; {
			f, err := x.ReadFrame()
			x.must(err)
			switch f := f.(type) {
			case *http2.WindowUpdateFrame:
				if f.StreamID == 0 {
					left += int(f.Increment)
				}
			case *http2.DataFrame:
				answered = f.StreamEnded()
			case *http2.RSTStreamFrame:
				reset = true
				if f.ErrCode != http2.ErrCodeNo {
					t.Fatalf("reset with %v", f.ErrCode)
				}
			}
		}
		if left -= len(part); left < 0 {
			t.Fatalf("no window is left at stream %d", id)
		}
		x.must(x.WriteData(id, false, part))
	}
}

// TestStreamsShareTheWindowOfAll: several answers wait for it, and all of them go on.
func TestStreamsShareTheWindowOfAll(t *testing.T) {
	const streams, size = 5, 100 << 10
	x := start(t, config(func(s *Stream) {
		_ = s.SendHead(200, nil, false)
		_, _ = s.Send(make([]byte, size), true, patience)
	}))
	x.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	for i := range uint32(streams) {
		x.ask(2*i+1, true, "/")
	}
	got := map[uint32]int{}
	owed, ended := 0, 0
	for ended < streams {
		f, ok := x.frame().(*http2.DataFrame)
		if !ok {
			continue // a header
		}
		got[f.StreamID] += int(f.Length)
		if f.StreamEnded() {
			ended++
		}
		if owed += int(f.Length); owed >= 10_000 { // less than a frame at a time
			x.must(x.WriteWindowUpdate(0, uint32(owed)))
			owed = 0
		}
	}
	for id, n := range got {
		if n != size {
			t.Errorf("stream %d: %d bytes", id, n)
		}
	}
}

func TestAWindowThatBecomesSmallerHolds(t *testing.T) {
	x := start(t, config(func(s *Stream) {
		_ = s.SendHead(200, nil, false)
		_, _ = s.Send(make([]byte, 100), true, patience)
	}))
	x.greet(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	x.ask(1, true, "/")
	x.status(1)
	if f, ok := x.frame().(*http2.DataFrame); !ok || f.Length != 10 {
		t.Fatal("not as much as the window takes")
	}
	x.must(x.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})) // the stream's is -10 now
	x.must(x.WriteWindowUpdate(1, 15))
	if f, ok := x.frame().(*http2.DataFrame); !ok || f.Length != 5 {
		t.Fatal("more, or less, than 15 - 10 bytes")
	}
	x.must(x.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000}))
	if f, ok := x.frame().(*http2.DataFrame); !ok || f.Length != 85 || !f.StreamEnded() {
		t.Fatal("not the rest")
	}
}

// TestHPACKStaysInStep: the header of a request that is refused, malformed or too
// long puts into the table what later ones refer to.
func TestHPACKStaysInStep(t *testing.T) {
	release, began := make(chan struct{}), make(chan struct{}, 8)
	var seen atomic.Int64
	c := config(func(s *Stream) {
		if s.Path == "/wait" {
			began <- struct{}{}
			<-release
		}
		for _, f := range s.Fields {
			if f.Name == "x-a" && f.Value == "1" || f.Name == "x-b" && f.Value == "2" || f.Name == "x-c" && f.Value == "3" {
				seen.Add(1)
			}
		}
		if s.Fault != nil {
			_ = s.SendHead(431, nil, true)
			s.Flush()
			return
		}
		ok(s)
	})
	c.Streams = 1
	x := start(t, c)
	x.greet()
	x.ask(1, true, "/wait")
	<-began
	x.ask(3, true, "/", "x-a", "1")
	if f, ok := x.frame().(*http2.RSTStreamFrame); !ok || f.StreamID != 3 {
		t.Fatal("not refused")
	}
	close(release)
	x.status(1)
	x.body(1)
	x.ask(5, true, "/", "X-Upper", "1", "x-b", "2")
	if f, ok := x.frame().(*http2.RSTStreamFrame); !ok || f.StreamID != 5 || f.ErrCode != http2.ErrCodeProtocol {
		t.Fatal("not reset")
	}
	x.ask(7, true, "/", "x-long", strings.Repeat("a", 3<<10), "x-long-too", strings.Repeat("b", 2<<10), "x-c", "3")
	if got := x.status(7); got != "431" {
		t.Fatal(got)
	}
	x.ask(9, true, "/", "x-a", "1", "x-b", "2", "x-c", "3")
	if got := x.status(9); got != "200" || seen.Load() != 3 {
		t.Errorf("%s, %d of 3 fields", got, seen.Load())
	}
}

// TestAHeaderLongerThanAFrame goes out in several.
func TestAHeaderLongerThanAFrame(t *testing.T) {
	value := []byte(strings.Repeat("~", 50_000)) // which Huffman's code makes longer
	x := start(t, config(func(s *Stream) {
		_ = s.SendHead(200, []Field{{[]byte("X-Long"), value}}, true)
		s.Flush()
	}))
	x.greet()
	for id := uint32(1); id < 9; id += 2 {
		x.ask(id, true, "/")
		f, ok := x.frame().(*http2.MetaHeadersFrame)
		if !ok || len(f.Fields) != 2 || f.Fields[1].Value != string(value) || !f.StreamEnded() {
			t.Fatalf("got %v", f)
		}
	}
}

// TestFieldsThatRepeatAreIndexed: the second time they are put into the table, from
// then on they cost a byte.
func TestFieldsThatRepeatAreIndexed(t *testing.T) {
	var n byte = 'a'
	x := start(t, config(func(s *Stream) {
		n++
		_ = s.SendHead(200, []Field{
			{[]byte("X-Same"), []byte("always")}, {[]byte("X-Other"), []byte{n}}, {[]byte("Set-Cookie"), []byte("secret")},
		}, true)
		s.Flush()
	}))
	x.greet()
	x.ReadMetaHeaders = nil
	sizes := []uint32{}
	for id := uint32(1); id < 13; id += 2 {
		x.ask(id, true, "/")
		sizes = append(sizes, x.frame().Header().Length)
	}
	if sizes[1] > sizes[0] || sizes[2] >= sizes[1]-10 || sizes[5] != sizes[2] {
		t.Errorf("headers of %v bytes", sizes)
	}
}

// TestWhatIsNoFieldIsNotSent: a plugin may be told to add what HTTP/2 does not allow.
func TestWhatIsNoFieldIsNotSent(t *testing.T) {
	x := start(t, config(func(s *Stream) {
		fields := []Field{{[]byte("X-Ok"), []byte("1\t2")}}
		for _, name := range []string{"", "a b", "a:b", "\xc3\xa4", "a\r\nb"} {
			fields = append(fields, Field{[]byte(name), []byte("1")})
		}
		for _, value := range []string{"a\r\nb", "\x00", "\x7f"} {
			fields = append(fields, Field{[]byte("X-Bad"), []byte(value)})
		}
		_ = s.SendHead(200, fields, false)
		_ = s.SendTrailers(fields)
		s.Flush()
	}))
	x.greet()
	x.ask(1, true, "/")
	for range 2 { // the header and the trailers
		f, ok := x.frame().(*http2.MetaHeadersFrame)
		if !ok || len(f.RegularFields()) != 1 || f.RegularFields()[0].Value != "1\t2" {
			t.Fatalf("got %v", f)
		}
	}
}

// TestATableThatTheClientDoesNotWant is one of 0 bytes.
func TestATableThatTheClientDoesNotWant(t *testing.T) {
	x := start(t, config(func(s *Stream) {
		_ = s.SendHead(200, []Field{{[]byte("X-Same"), []byte("always")}}, true)
		s.Flush()
	}))
	x.greet(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0})
	x.ReadMetaHeaders.SetAllowedMaxDynamicTableSize(0)
	for id := uint32(1); id < 13; id += 2 {
		x.ask(id, true, "/")
		if f, ok := x.frame().(*http2.MetaHeadersFrame); !ok || f.RegularFields()[0].Value != "always" {
			t.Fatalf("got %v", f)
		}
	}
}

func TestAClientThatTakesItsRequestBack(t *testing.T) {
	result := make(chan error, 1)
	x := start(t, config(func(s *Stream) {
		_ = s.SendHead(200, nil, false)
		_, err := s.Send(make([]byte, 1<<20), true, patience) // more than the window
		if !s.Gone() {
			err = errors.New("the stream is not gone")
		}
		result <- err
	}))
	x.greet()
	x.ask(1, true, "/")
	x.status(1)
	x.must(x.WriteRSTStream(1, http2.ErrCodeCancel))
	if err := <-result; !errors.Is(err, errReset) {
		t.Errorf("got %v", err)
	}
}
