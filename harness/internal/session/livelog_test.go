package session

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/follow"
	"github.com/gatelab/gatelab/harness/internal/load"
)

// readLiveLog parses the live log in a run's folder.
func readLiveLog(t *testing.T, dir string) []follow.Event {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, follow.File))
	if err != nil {
		t.Fatal(err)
	}
	var out []follow.Event
	for line := range bytes.Lines(b) {
		e, err := follow.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// followed is the live log after do, and after an end with that event.
func followed(t *testing.T, do func(*Session), end Event) []follow.Event {
	t.Helper()
	reports := t.TempDir()
	log := NewLiveLog(reports, func(text string) { t.Error(text) })
	s := &Session{ID: "one", Config: Config{Observer: log}, Plan: Plan{Name: "cache"}}
	s.observe(Event{Kind: Begin, Text: "cache, profile smoke"})
	do(s)
	end.Kind = End
	s.observe(end)
	s.Step("after the end")
	return readLiveLog(t, filepath.Join(reports, "runs", "one"))
}

func kindsOf(events []follow.Event) (kinds []string) {
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func TestTheLiveLogTellsTheRun(t *testing.T) {
	open := load.Attack{ID: "cache-open-1", Model: load.Open}
	p := load.Progress{
		State: load.Running, Elapsed: 3 * time.Second, Total: 27 * time.Second, QPS: 9000, P50: 2 * time.Millisecond, P99: 20 * time.Millisecond,
		Counts: load.Counts{Requests: 1000, Failed: 10}, Series: []load.Second{{Counts: load.Counts{Requests: 500}, Hits: 450}},
	}
	progress := func(s *Session, p load.Progress) {
		s.observe(Event{Kind: Progress, Stage: "cache", Attack: open, Progress: p})
	}
	got := followed(t, func(s *Session) {
		s.Step("lab up: %d nodes", 9)
		progress(s, p)
		progress(s, p) // within the same second
		s.Fault(fault.StepInjected, fault.Event{Kind: "kill", Target: "gateway-2"})
		p.State = load.Done
		progress(s, p)
		s.Verdict("pass")
	}, Event{Valid: new(true)})
	want := []string{follow.Begin, follow.Step, follow.Attack, follow.Fault, follow.Attack, follow.Step, follow.End}
	if !slices.Equal(kindsOf(got), want) {
		t.Fatalf("got %v, want %v", kindsOf(got), want)
	}
	if got[0].Text != "cache, profile smoke" || got[1].Text != "lab up: 9 nodes" || got[3].Text != "fault kill gateway-2: injected" {
		t.Errorf("texts %q, %q, %q", got[0].Text, got[1].Text, got[3].Text)
	}
	a := got[2]
	if a.Stage != "cache" || *a.QPS != 9000 || *a.P50MS != 2 || *a.P99MS != 20 || *a.ErrorRate != 0.01 || *a.HitRatio != 0.9 ||
		*a.TotalS != 27 {
		t.Errorf("the attack's line is %+v", a)
	}
	if end := got[6]; end.Valid == nil || !*end.Valid {
		t.Errorf("the end's line is %+v", end)
	}
}

// An attack has a line per second, and each attack counts for itself.
func TestLiveLogLimitsLinesPerAttack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := followed(t, func(s *Session) {
			for range 30 {
				for _, id := range []string{"load", "probe"} {
					s.observe(Event{Kind: Progress, Attack: load.Attack{ID: id}, Progress: load.Progress{State: load.Running}})
				}
				time.Sleep(100 * time.Millisecond)
			}
		}, Event{})
		if n := len(got) - 2; n != 6 {
			t.Errorf("%d lines of two attacks of three seconds, want 6", n)
		}
	})
}

func TestTheLiveLogSaysWhyARunFailed(t *testing.T) {
	got := followed(t, func(*Session) {}, Event{Text: errors.New("no engine answers").Error()})
	if end := got[len(got)-1]; end.Kind != follow.End || end.Valid != nil || end.Text != "no engine answers" {
		t.Errorf("the end's line is %+v", end)
	}
}

// A log that cannot be written is told once, and the events that follow do no harm.
func TestLiveLogWarnsOnceIfItCannotBeWritten(t *testing.T) {
	reports := t.TempDir()
	if err := os.WriteFile(filepath.Join(reports, "runs"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var warned []string
	log := NewLiveLog(reports, func(text string) { warned = append(warned, text) })
	for _, kind := range []Kind{Step, Begin, Step, Progress, Fault, End, Step} { // also before the beginning and after the end
		log.Observe(Event{Kind: kind, RunID: "one"})
	}
	if len(warned) != 1 || !strings.Contains(warned[0], "no live log of this run: ") {
		t.Errorf("warned %q", warned)
	}
}

func TestAClosedLoopsLatencyIsNotFollowed(t *testing.T) {
	e := attackEvent("cache", load.Attack{Model: load.Closed}, load.Progress{P50: time.Second, P99: 2 * time.Second})
	if e.P50MS != nil || e.P99MS != nil || e.ErrorRate != nil || e.HitRatio != nil || e.QPS != nil {
		t.Errorf("got %+v", e)
	}
}
