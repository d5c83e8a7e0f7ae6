package follow

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestWhatIsAddedIsReadAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs", "one")
	l, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	qps := 12_345.6
	valid := true
	nan := math.NaN()
	l.Add(Event{Kind: Begin, Text: "ladder"})
	l.Add(Event{Kind: Attack, Stage: "cache", Model: "open", QPS: &qps})
	l.Add(Event{Kind: Attack, Stage: "cache", QPS: &nan}) // cannot be said in JSON
	l.Add(Event{Kind: End, Valid: &valid})
	l.Close()
	b, err := os.ReadFile(filepath.Join(dir, File))
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
	if len(lines) != 3 {
		t.Fatalf("%d lines, want 3:\n%s", len(lines), b)
	}
	e, err := Parse(lines[1])
	if err != nil || e.Stage != "cache" || e.QPS == nil || *e.QPS != qps || e.P99MS != nil || e.At.IsZero() {
		t.Errorf("got %+v, %v", e, err)
	}
}

func TestLinesOfManyWritersStayWhole(t *testing.T) {
	dir := t.TempDir()
	l, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 20 {
				l.Add(Event{Kind: Step, Text: "something that was done"})
			}
		})
	}
	all.Wait()
	l.Close()
	b, err := os.ReadFile(filepath.Join(dir, File))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range bytes.Lines(b) {
		if _, err := Parse(line); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		n++
	}
	if n != 400 {
		t.Errorf("%d lines, want 400", n)
	}
}

func TestANilLogDoesNothing(_ *testing.T) {
	var l *Log
	l.Add(Event{Kind: Step})
	l.Close()
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"at":"2026-11-20T09:30:00Z","kind":"attack","qps":1.5}`))
	f.Add([]byte(`{"kind":1}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if e, err := Parse(line); err == nil && e.Kind == "" {
			t.Error("an event without a kind was taken")
		}
	})
}
