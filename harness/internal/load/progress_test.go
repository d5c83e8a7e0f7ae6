package load

import (
	"testing"
	"time"
)

// An attack of an hour has 3,600 seconds in its series: each look at it has the
// last ones only.
func TestALookAtALongAttackIsShort(t *testing.T) {
	c, _ := worker(t)
	p, err := c.Start(t.Context(), Attack{ID: "long", Model: Open, Rate: 50, Target: null(t), Duration: 8 * time.Second, Requests: []Request{{Name: "get", Path: "/"}}})
	if err != nil {
		t.Fatal(err)
	}
	most := 0
	for !p.Ended() {
		if p, err = c.recent(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		most = max(most, len(p.Series))
		time.Sleep(50 * time.Millisecond)
	}
	if most < 2 || most > fewSeconds+2 {
		t.Errorf("up to %d seconds in one look", most)
	}
	if r, err := c.Result(t.Context(), "long"); err != nil || len(r.Series) != 8 {
		t.Errorf("%+v %v", r, err)
	}
}

func TestALongAttackIsLookedAtLessOften(t *testing.T) {
	for _, c := range []struct {
		name           string
		state          string
		elapsed, total time.Duration
		want           time.Duration
	}{
		{"short", Running, time.Second, 2 * time.Second, 100 * time.Millisecond},
		{"a minute", Running, 20 * time.Second, time.Minute, 600 * time.Millisecond},
		{"an hour", Running, time.Minute, time.Hour, time.Second},
		{"it has yet to begin", Warming, time.Second, time.Hour, 100 * time.Millisecond},
		{"it is nearly over", Running, time.Hour - time.Second, time.Hour, 100 * time.Millisecond},
		{"the last answers", Draining, time.Hour, time.Hour, 20 * time.Millisecond},
		{"a turn that is nearly over", Running, 310 * time.Millisecond, 360 * time.Millisecond, 60 * time.Millisecond},
	} {
		if got := pollAfter(Progress{State: c.state, Elapsed: c.elapsed, Total: c.total}); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
