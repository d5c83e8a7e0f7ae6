package limit

import (
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// A lab on a machine without Redis has this library in its place.
func TestTheScriptsRunOnTheLabsStandIn(t *testing.T) {
	m := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr(), MaxRetries: -1, Protocol: 2, DisableIdentity: true})
	defer rdb.Close()
	s := &server{rdb: rdb}
	l := newLimiter(t, 0)
	for _, lease := range []bool{false, true} {
		for _, windows := range [][]Window{year(137), append(year(200), long(137)...)} {
			r := mustRule(t, l, Policy{Namespace: t.Name(), Windows: windows, Redis: s, Lease: lease})
			if n := takes(t, r, "k", 300); n != 137 {
				t.Errorf("lease %t, %d windows: %d passed, want 137", lease, len(windows), n)
			}
			m.FlushAll()
		}
	}
	r := mustRule(t, l, Policy{Namespace: t.Name(), Windows: long(50), Sliding: true, Redis: s, Lease: true})
	if n := takes(t, r, "k", 100); n != 50 {
		t.Errorf("sliding: %d passed, want 50", n)
	}
}
