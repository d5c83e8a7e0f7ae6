package load

import (
	"testing"
	"time"
)

func TestALongAttackIsLookedAtLessOften(t *testing.T) {
	for _, c := range []struct {
		name           string
		state          string
		elapsed, total time.Duration
		want           time.Duration
	}{
		{name: "short", state: Running, elapsed: time.Second, total: 2 * time.Second, want: 100 * time.Millisecond},
		{name: "a minute", state: Running, elapsed: 20 * time.Second, total: time.Minute, want: 600 * time.Millisecond},
		{name: "an hour", state: Running, elapsed: time.Minute, total: time.Hour, want: time.Second},
		{name: "it has yet to begin", state: Warming, elapsed: time.Second, total: time.Hour, want: 100 * time.Millisecond},
		{name: "it is nearly over", state: Running, elapsed: time.Hour - time.Second, total: time.Hour, want: 100 * time.Millisecond},
		{name: "the last answers", state: Draining, elapsed: time.Hour, total: time.Hour, want: 20 * time.Millisecond},
		{name: "a turn that is nearly over", state: Running, elapsed: 310 * time.Millisecond, total: 360 * time.Millisecond,
			want: 60 * time.Millisecond},
	} {
		if got := pollAfter(Progress{State: c.state, Elapsed: c.elapsed, Total: c.total}); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
