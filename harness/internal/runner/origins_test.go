package runner

import (
	"testing"

	"gatelab/harness/internal/load"
	"gatelab/harness/internal/scenario"
)

// originAt is a reading of two origins, of which the second may not answer.
func originAt(first, second uint64, refused uint64, answers bool) reading {
	stats := func(n, refused uint64) *originStats {
		return &originStats{Requests: n, Endpoints: map[string]map[string]uint64{"chat": {"200": n - refused, "429": refused}}, ChatInFlightMax: int(n % 50)}
	}
	r := reading{origins: map[string]*originStats{"origin": stats(first, refused), "origin-2": nil}, gateways: map[string]metrics{}}
	if answers {
		r.origins["origin-2"] = stats(second, 0)
	}
	return r
}

func TestOriginsAreCountedTogetherInTheMeasuredWindow(t *testing.T) {
	// 100 and 50 in the warm-up; the first is restarted in between.
	readings := []reading{originAt(100, 50, 10, true), originAt(160, 0, 12, false), originAt(7, 80, 1, true)}
	got, ok := servedIn(readings)
	if want := (served{requests: 60 + 7 + 30, refused: 2 + 1}); !ok || got != want {
		t.Errorf("served %+v, %v, want %+v", got, ok, want)
	}
	if n := mostChats(readings); n != 30 {
		t.Errorf("%d chats at most, want 30", n)
	}
	hits := &load.Result{CacheStatus: map[string]uint64{"Hit": 9, "Miss": 1}}
	c := cacheOf([]*attacked{{result: hits, readings: readings}})
	if c.OriginRequests == nil || *c.OriginRequests != 97 {
		t.Errorf("the cache let %v pass, want 97", c.OriginRequests)
	}
}

func TestAnOriginThatDoesNotAnswerIsNotZero(t *testing.T) {
	for why, readings := range map[string][]reading{
		"it was silent at first":   {originAt(1, 1, 0, false), originAt(5, 5, 0, true)},
		"it was silent at the end": {originAt(1, 1, 0, true), originAt(5, 5, 0, false)},
		"there is one reading":     {originAt(1, 1, 0, true)},
		"there is no origin":       {{}, {}},
	} {
		a := &attacked{result: &load.Result{CacheStatus: map[string]uint64{"Hit": 1}}, readings: readings}
		if _, ok := servedIn(readings); ok {
			t.Errorf("%s, and what was served is known", why)
		}
		if c := cacheOf([]*attacked{a}); c.OriginRequests != nil {
			t.Errorf("%s, and the cache let %d pass", why, *c.OriginRequests)
		}
		if l := limitsOf(&scenario.Stage{}, []*attacked{a}); l != nil {
			t.Errorf("%s, and limits are %+v", why, l)
		}
	}
}

func TestAccountsNeedBothSides(t *testing.T) {
	const sent = "# TYPE gateway_upstream_duration_seconds histogram\ngateway_upstream_duration_seconds_bucket{le=\"+Inf\"} 4\ngateway_upstream_duration_seconds_sum 1\ngateway_upstream_duration_seconds_count 4\n"
	with := func(r reading, nodes ...string) reading {
		for _, n := range nodes {
			r.gateways[n] = gatewayWith(t, "")
			if r.origins["origin"].Requests > 1 {
				r.gateways[n] = gatewayWith(t, sent)
			}
		}
		return r
	}
	var a accounts
	if s, g := a.both(); s != nil || g != nil {
		t.Error("no round, and something is known")
	}
	for range 2 {
		a.add(with(originAt(1, 1, 0, true), "gateway-1", "gateway-2"), with(originAt(5, 5, 0, true), "gateway-1", "gateway-2"))
	}
	if s, g := a.both(); s == nil || *s != 16 || *g != 16 {
		t.Errorf("sent %v, counted %v, want 16 of both", s, g)
	}
	silent := a
	silent.add(with(originAt(1, 1, 0, true), "gateway-1"), with(originAt(5, 5, 0, false), "gateway-1"))
	if s, _ := silent.both(); s != nil {
		t.Error("an origin did not answer, and the accounts are compared")
	}
	a.add(with(originAt(1, 1, 0, true), "gateway-1", "gateway-2"), with(originAt(5, 5, 0, true), "gateway-1"))
	if s, _ := a.both(); s != nil {
		t.Error("a gateway did not answer, and the accounts are compared")
	}
}
