package logline_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/logline"
)

var someTime = time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.FixedZone("", 3600))

// handlers are slog's, of the same formats.
var handlers = map[string]func(b *bytes.Buffer) slog.Handler{
	logline.JSON: func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	logline.Text: func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
}

// both writes the same line with slog and with this package.
func both(t testing.TB, format, text string, number int64, took time.Duration) (want, got string) {
	t.Helper()
	var a, b bytes.Buffer
	h := handlers[format](&a).WithAttrs([]slog.Attr{slog.String("node", text), slog.String("part", "proxy")})
	r := slog.NewRecord(someTime, slog.LevelWarn, "request", 0)
	r.AddAttrs(slog.String("path", text), slog.String("host", text), slog.Int64("status", number), slog.Float64("seconds", took.Seconds()),
		slog.Bool("limited", true))
	if err := h.Handle(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	line := logline.New(&b, format, slog.LevelInfo).With("node", text).With("part", "proxy").Begin(slog.LevelWarn, someTime, "request")
	line.String("path", text)
	line.Bytes("host", []byte(text))
	line.Int("status", number)
	line.Seconds("seconds", took)
	line.Bool("limited", true)
	line.End()
	return a.String(), b.String()
}

// same compares lines of text as they are, and those of JSON by what they say: there is
// more than one way to escape a character.
func same(t testing.TB, format, want, got string) {
	t.Helper()
	if format == logline.Text {
		if want != got {
			t.Errorf("got  %swant %s", got, want)
		}
		return
	}
	var w, g map[string]any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if !maps.Equal(w, g) || strings.Count(got, "\n") != 1 {
		t.Errorf("got  %swant %s", got, want)
	}
}

var texts = []string{
	"", "/v1/models/7", "a b", `a"b`, `a\b`, "a=b", "a\nb\r\tc\x00\x1f",
	"\x7f", "ü/é", "ü é", "\u00a0", "\u2028\u2029", "\xff\xfe", "a\ufffdb",
	"\u200b", "<&>", "日本", "'", "\b\f",
}

func TestLinesAreThoseOfSlog(t *testing.T) {
	for format := range handlers {
		for _, text := range texts {
			for _, took := range []time.Duration{0, 1, 999, time.Microsecond, 123456789, time.Hour, 1 << 62, -5 * time.Millisecond} {
				want, got := both(t, format, text, -7, took)
				same(t, format, want, got)
			}
		}
	}
	// Without an escape they are the same bytes, so that programs that read one read the other.
	if want, got := both(t, logline.JSON, "/v1/models/7", 200, 1234567*time.Nanosecond); want != got {
		t.Errorf("got  %swant %s", got, want)
	}
}

func FuzzLinesAreThoseOfSlog(f *testing.F) {
	for i, text := range texts {
		f.Add(text, int64(i), int64(i)*1234567)
	}
	f.Fuzz(func(t *testing.T, text string, number, took int64) {
		for format := range handlers {
			want, got := both(t, format, text, number, time.Duration(took))
			same(t, format, want, got)
		}
	})
}

func TestLevels(t *testing.T) {
	var none *logline.Logger
	l := logline.New(&bytes.Buffer{}, logline.JSON, slog.LevelWarn).With("node", "a")
	if none.Enabled(slog.LevelError) || l.Enabled(slog.LevelInfo) || !l.Enabled(slog.LevelWarn) || !l.Enabled(slog.LevelError) {
		t.Error("a level is wrong")
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

// TestLinesOfManyGoroutines checks that concurrent lines are not mixed: each line is one
// write, from a buffer that no other goroutine uses at the same time.
func TestLinesOfManyGoroutines(t *testing.T) {
	const goroutines, each = 8, 200
	var b lockedBuffer
	root := logline.New(&b, logline.JSON, slog.LevelInfo)
	var all sync.WaitGroup
	for i := range goroutines {
		all.Go(func() {
			l := root.With("node", strings.Repeat(string(rune('a'+i)), i+1))
			for j := range each {
				line := l.Begin(slog.LevelInfo, someTime, "request")
				line.String("path", strings.Repeat("x", j*(i%2)*100)) // some are too long to be kept
				line.Int("n", int64(i))
				line.End()
			}
		})
	}
	all.Wait()
	got := map[float64]int{}
	for text := range strings.Lines(b.String()) {
		var line struct {
			Node string
			N    float64
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%v: %.200s", err, text)
		}
		if len(line.Node) != int(line.N)+1 {
			t.Fatalf("%.200s", text)
		}
		got[line.N]++
	}
	for i := range goroutines {
		if got[float64(i)] != each {
			t.Errorf("%d lines of %d", got[float64(i)], i)
		}
	}
}

func BenchmarkLine(b *testing.B) {
	path := []byte("/v1/models/model-7")
	b.Run("slog", func(b *testing.B) {
		b.ReportAllocs()
		l := slog.New(slog.NewJSONHandler(discard{}, nil)).With("node", "gateway-1", "part", "proxy")
		for b.Loop() {
			l.LogAttrs(b.Context(), slog.LevelInfo, "request", slog.String("method", "GET"), slog.String("path", string(path)),
				slog.Int("status", 200), slog.Float64("seconds", 0.001234567), slog.Float64("upstream_seconds", 0.001134567),
				slog.String("service", "api"), slog.String("route", "api"), slog.Int64("bytes_sent", 1024))
		}
	})
	b.Run("logline", func(b *testing.B) {
		b.ReportAllocs()
		l := logline.New(discard{}, logline.JSON, slog.LevelInfo).With("node", "gateway-1").With("part", "proxy")
		for b.Loop() {
			line := l.Begin(slog.LevelInfo, time.Now(), "request")
			line.String("method", "GET")
			line.Bytes("path", path)
			line.Int("status", 200)
			line.Seconds("seconds", 1234567)
			line.Seconds("upstream_seconds", 1134567)
			line.String("service", "api")
			line.String("route", "api")
			line.Int("bytes_sent", 1024)
			line.End()
		}
	})
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
