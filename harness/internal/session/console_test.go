package session

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/load"
)

// Where nothing can be redrawn, as in CI, an attack is a line every ten seconds.
func TestProgressIsALineEveryTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		c := NewConsole(&b)
		for i := range 350 {
			time.Sleep(100 * time.Millisecond)
			c.Observe(Event{Kind: Progress, Stage: "xx", Attack: load.Attack{Model: load.Open}, Progress: load.Progress{State: load.Running}})
			if i == 149 {
				c.Step("a step")
			}
		}
		// At 10 s; then ten seconds after the step at 15 s, and after that line.
		const line = "s  xx open running 0s/0s  -  errors 0.00%\n"
		if got, want := b.String(), "  10.0"+line+"  15.0s  a step\n"+"  25.0"+line+"  35.0"+line; got != want {
			t.Errorf("printed\n%s\nwant\n%s", got, want)
		}
	})
}

func TestNoProgressLeavesTheSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		c := NewConsole(&b)
		c.NoProgress = true
		time.Sleep(time.Minute)
		c.Observe(Event{Kind: Progress, Stage: "xx"})
		c.Observe(Event{Kind: Step, Text: "a step"})
		if b.String() != "  60.0s  a step\n" {
			t.Errorf("printed %q", b.String())
		}
	})
}

func TestConsoleShowsEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		s := &Session{Config: Config{Observer: NewConsole(&b)}, Plan: Plan{Name: "ladder"}}
		time.Sleep(11500 * time.Millisecond)
		s.observe(Event{Kind: Begin, Text: "not shown: the runtime is said first"})
		s.Step("lab up: %d nodes", 9)
		end := s.Stage("cache")
		time.Sleep(10 * time.Second)
		s.observe(Event{
			Kind: Progress, Stage: "cache", Attack: load.Attack{Model: load.Open},
			Progress: load.Progress{
				State: load.Running, Elapsed: 1234 * time.Millisecond, Total: 8 * time.Second,
				Counts: load.Counts{Requests: 200, Failed: 1},
				Series: []load.Second{{
					Counts: load.Counts{Requests: 1100, Successes: 1099}, Hits: 550, P50: 2 * time.Millisecond, P99: 1500 * time.Millisecond,
				}, {Offset: 1, Counts: load.Counts{Requests: 7}}},
			},
		})
		s.Fault(fault.StepInjected, fault.Event{Kind: "kill", Target: "gateway-2"})
		end()
		s.Verdict("pass: no metric is worse")
		s.observe(Event{Kind: End, Valid: new(true)})
		const want = `  11.5s  lab up: 9 nodes
  21.5s  cache open running 1.2s/8s  1,099/s  p50 2.0 ms  p99 1500 ms  errors 0.50%  hits 50.0%
  21.5s  fault kill gateway-2: injected
  21.5s  pass: no metric is worse
`
		if b.String() != want {
			t.Errorf("printed:\n%swant:\n%s", b.String(), want)
		}
	})
}

func TestSummaryOfAnAttack(t *testing.T) {
	res := &load.Result{Began: time.Unix(0, 0), Ended: time.Unix(2, 0), Counts: load.Counts{Requests: 400, Successes: 196,
		Limited: 200, Failed: 4}}
	for range 2000 {
		res.Corrected.Record(10 * time.Millisecond)
	}
	for _, c := range []struct {
		name   string
		attack load.Attack
		want   string
	}{
		{name: "closed", attack: load.Attack{Model: load.Closed, Connections: 64}, want: "64 connections, 98 QPS, errors 1.00%, limited 50.00%"},
		{
			name: "open", attack: load.Attack{Model: load.Open, Rate: 200},
			want: "200/s offered, 98 QPS, errors 1.00%, limited 50.00%, p50 10.0 ms, p99 10.0 ms",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := summary(c.attack, res); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
