package logbuffer

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sink counts the writes that reach the destination.
type sink struct {
	mu     sync.Mutex
	all    bytes.Buffer
	writes int
	err    error
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if s.err != nil {
		return 0, s.err
	}
	return s.all.Write(b)
}

func (s *sink) got() (string, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String(), s.writes
}

func TestLinesWaitAndAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		w := New(s, 100*time.Millisecond)
		for _, line := range []string{"a\n", "b\n", "c\n"} {
			if n, err := w.Delayed().Write([]byte(line)); n != 2 || err != nil {
				t.Fatalf("wrote %d, %v", n, err)
			}
			time.Sleep(30 * time.Millisecond)
		}
		if got, n := s.got(); n != 0 {
			t.Errorf("after 90 ms, %d writes: %q", n, got)
		}
		time.Sleep(11 * time.Millisecond)
		if got, n := s.got(); got != "a\nb\nc\n" || n != 1 {
			t.Errorf("after 101 ms, %d writes: %q", n, got)
		}
		_, _ = w.Delayed().Write([]byte("d\n"))
		time.Sleep(101 * time.Millisecond)
		if got, n := s.got(); got != "a\nb\nc\nd\n" || n != 2 {
			t.Errorf("of the next round, %d writes: %q", n, got)
		}
	})
}

func TestTheOrderOfTheLogIsKept(t *testing.T) {
	s := &sink{}
	w := New(s, time.Hour)
	_, _ = w.Write([]byte("1\n"))
	_, _ = w.Delayed().Write([]byte("2\n"))
	if _, err := w.Write([]byte("3\n")); err != nil {
		t.Fatal(err)
	}
	_, _ = w.Delayed().Write([]byte("4\n"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, _ = w.Delayed().Write([]byte("5\n"))
	if got, n := s.got(); got != "1\n2\n3\n4\n5\n" || n != 4 {
		t.Errorf("%d writes: %q", n, got)
	}
}

func TestLinesThatAreManyDoNotWait(t *testing.T) {
	s := &sink{}
	w := New(s, time.Hour)
	line := []byte(strings.Repeat("x", 1023) + "\n")
	for range 3 * most / len(line) {
		_, _ = w.Delayed().Write(line)
	}
	if got, n := s.got(); len(got) != 3*most || n != 3 {
		t.Errorf("%d bytes in %d writes, want %d in 3", len(got), n, 3*most)
	}
}

func TestWithoutADelayEachLineIsWritten(t *testing.T) {
	s := &sink{}
	w := New(s, 0)
	_, _ = w.Delayed().Write([]byte("1\n"))
	_, _ = w.Delayed().Write([]byte("2\n"))
	if got, n := s.got(); got != "1\n2\n" || n != 2 {
		t.Errorf("%d writes: %q", n, got)
	}
}

// A destination that fails, a full disk say, must not keep lines that then never end.
func TestADestinationThatFails(t *testing.T) {
	s := &sink{err: errors.New("no space left")}
	w := New(s, time.Hour)
	for range 1000 {
		_, _ = w.Delayed().Write(bytes.Repeat([]byte("x"), 1024))
	}
	if len(w.lines) >= most {
		t.Errorf("%d bytes wait", len(w.lines))
	}
	if _, err := w.Write([]byte("y")); err == nil {
		t.Error("no error")
	}
}

func TestManyGoroutinesLoseNoLine(t *testing.T) {
	s := &sink{}
	w := New(s, time.Millisecond)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 500 {
				line := fmt.Appendf(nil, "%d %d\n", g, i)
				if i%50 == 0 {
					_, _ = w.Write(line)
				} else {
					_, _ = w.Delayed().Write(line)
				}
			}
		})
	}
	wg.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, _ := s.got()
	next := map[string]int{}
	for line := range strings.Lines(got) {
		g, i, _ := strings.Cut(strings.TrimSpace(line), " ")
		if fmt.Sprint(next[g]) != i {
			t.Fatalf("line %q, want the goroutine's number %d", line, next[g])
		}
		next[g]++
	}
	if len(next) != 8 || next["7"] != 500 {
		t.Errorf("lines per goroutine: %v", next)
	}
}
