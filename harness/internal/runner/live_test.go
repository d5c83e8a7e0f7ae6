package runner

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gatelab/harness/internal/follow"
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/report"
)

// followed is what stands in the live log after do.
func followed(t *testing.T, do func(*run), end error) []follow.Event {
	t.Helper()
	r := &run{Options: Options{Reports: t.TempDir(), Profile: "smoke", Console: NewConsole(io.Discard)}, name: "cache", id: "one", result: &report.Result{Valid: true}}
	r.follow()
	do(r)
	r.unfollow(end)
	r.Console.Step("after the end")
	b, err := os.ReadFile(filepath.Join(r.Reports, "runs", "one", follow.File))
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

func TestTheLiveLogTellsTheRun(t *testing.T) {
	open := load.Attack{ID: "cache-open-1", Model: load.Open}
	p := load.Progress{State: load.Running, Elapsed: 3 * time.Second, Total: 27 * time.Second, QPS: 9000, P50: 2 * time.Millisecond, P99: 20 * time.Millisecond,
		Counts: load.Counts{Requests: 1000, Failed: 10}, Series: []load.Second{{Counts: load.Counts{Requests: 500}, Hits: 450}}}
	got := followed(t, func(r *run) {
		r.Console.Step("lab up: %d nodes", 9)
		r.progress("cache", open, p)
		r.progress("cache", open, p) // within the same second
		r.Console.Step("fault kill gateway-2: injected")
		p.State = load.Done
		r.progress("cache", open, p)
	}, nil)
	var kinds []string
	for _, e := range got {
		kinds = append(kinds, e.Kind)
	}
	want := []string{follow.Begin, follow.Step, follow.Attack, follow.Fault, follow.Attack, follow.End}
	if len(kinds) != len(want) {
		t.Fatalf("got %v, want %v", kinds, want)
	}
	for i := range want {
		if kinds[i] != want[i] {
			t.Fatalf("got %v, want %v", kinds, want)
		}
	}
	a := got[2]
	if a.Stage != "cache" || *a.QPS != 9000 || *a.P50MS != 2 || *a.P99MS != 20 || *a.ErrorRate != 0.01 || *a.HitRatio != 0.9 || *a.TotalS != 27 {
		t.Errorf("the attack's line is %+v", a)
	}
	if end := got[5]; end.Valid == nil || !*end.Valid {
		t.Errorf("the end's line is %+v", end)
	}
}

func TestTheLiveLogSaysWhyARunFailed(t *testing.T) {
	got := followed(t, func(*run) {}, errors.New("no engine answers"))
	if end := got[len(got)-1]; end.Kind != follow.End || end.Valid != nil || end.Text != "no engine answers" {
		t.Errorf("the end's line is %+v", end)
	}
}

func TestAClosedLoopsLatencyIsNotFollowed(t *testing.T) {
	e := attackEvent("cache", load.Attack{Model: load.Closed}, load.Progress{P50: time.Second, P99: 2 * time.Second})
	if e.P50MS != nil || e.P99MS != nil || e.ErrorRate != nil || e.HitRatio != nil || e.QPS != nil {
		t.Errorf("got %+v", e)
	}
}
