package limit

import (
	"slices"
	"testing"
	"time"
)

// Two counters are the same only where namespace, key and window are, whatever
// bytes are in them: keys are what clients send.
func TestCountersOfDifferentKeysNeverMeet(t *testing.T) {
	l := newLimiter(t, 0)
	texts := []string{"a", "b", "a:b", "a:b:c", "a%3Ab", "a%3ab", "a%253Ab", ":", "::", "a:", ":a", "a:60s:0", "60s", "60s:0", "a/ip",
		"ip/a", "", "\x00", "a\r\nb", "a\nb"}
	seen := map[string][]string{}
	for _, namespace := range texts {
		r, err := l.Rule(Policy{Namespace: namespace, Windows: []Window{{Limit: 1, Size: time.Minute}, {Limit: 1, Size: time.Hour},
			{Limit: 1, Months: 1}}})
		if err != nil {
			t.Fatal(err)
		}
		r.shape = "60s,3600s,1m"
		for _, key := range texts {
			what := []string{namespace, key}
			name := newEntry(r, key).redisName()
			if other, has := seen[name]; has {
				t.Errorf("%q is the state of %q and of %q", name, other, what)
			}
			seen[name] = what
			for i := range r.windows {
				for _, start := range []int64{0, 60_000} {
					what := []string{namespace, key, string(rune('0' + i)), string(rune('0' + start/60_000))}
					name := r.redisKey(key, &r.windows[i], start)
					if other, has := seen[name]; has && !slices.Equal(other, what) {
						t.Errorf("%q is the counter of %q and of %q", name, other, what)
					}
					seen[name] = what
				}
			}
		}
	}
}
