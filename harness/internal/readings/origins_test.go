package readings

import "testing"

// originAt is a reading of two origins, of which the second may not answer.
func originAt(first, second uint64, refused uint64, answers bool) Reading {
	stats := func(n, refused uint64) *OriginStats {
		chat := map[string]uint64{"200": n - refused, "429": refused}
		return &OriginStats{Requests: n, Endpoints: map[string]map[string]uint64{"chat": chat}, ChatInFlightMax: int(n % 50)}
	}
	r := Reading{
		Origins:  map[string]*OriginStats{"origin": stats(first, refused), "origin-2": nil},
		Gateways: map[string]Metrics{},
	}
	if answers {
		r.Origins["origin-2"] = stats(second, 0)
	}
	return r
}

func TestOriginsAreCountedTogetherInTheMeasuredWindow(t *testing.T) {
	// 100 and 50 in the warm-up; the first is restarted in between.
	readings := []Reading{originAt(100, 50, 10, true), originAt(160, 0, 12, false), originAt(7, 80, 1, true)}
	got, ok := ServedIn(readings)
	if want := (OriginTotals{Requests: 60 + 7 + 30, Refused: 2 + 1}); !ok || got != want {
		t.Errorf("served %+v, %v, want %+v", got, ok, want)
	}
	if n := MostChats(readings); n != 30 {
		t.Errorf("%d chats at most, want 30", n)
	}
}

func TestAnOriginThatDoesNotAnswerIsNotZero(t *testing.T) {
	for why, readings := range map[string][]Reading{
		"it was silent at first":   {originAt(1, 1, 0, false), originAt(5, 5, 0, true)},
		"it was silent at the end": {originAt(1, 1, 0, true), originAt(5, 5, 0, false)},
		"there is one reading":     {originAt(1, 1, 0, true)},
		"there is no origin":       {{}, {}},
	} {
		if _, ok := ServedIn(readings); ok {
			t.Errorf("%s, and what was served is known", why)
		}
	}
}

func TestAccountsNeedBothSides(t *testing.T) {
	const sent = `# TYPE gateway_upstream_duration_seconds histogram
gateway_upstream_duration_seconds_bucket{le="+Inf"} 4
gateway_upstream_duration_seconds_sum 1
gateway_upstream_duration_seconds_count 4
`
	with := func(r Reading, nodes ...string) Reading {
		for _, n := range nodes {
			r.Gateways[n] = gatewayWith(t, "")
			if r.Origins["origin"].Requests > 1 {
				r.Gateways[n] = gatewayWith(t, sent)
			}
		}
		return r
	}
	var a Accounts
	if s, g := a.Both(); s != nil || g != nil {
		t.Error("no round, and something is known")
	}
	for range 2 {
		a.Add(with(originAt(1, 1, 0, true), "gateway-1", "gateway-2"), with(originAt(5, 5, 0, true), "gateway-1", "gateway-2"))
	}
	if s, g := a.Both(); s == nil || *s != 16 || *g != 16 {
		t.Errorf("sent %v, counted %v, want 16 of both", s, g)
	}
	silent := a
	silent.Add(with(originAt(1, 1, 0, true), "gateway-1"), with(originAt(5, 5, 0, false), "gateway-1"))
	if s, _ := silent.Both(); s != nil {
		t.Error("an origin did not answer, and the accounts are compared")
	}
	a.Add(with(originAt(1, 1, 0, true), "gateway-1", "gateway-2"), with(originAt(5, 5, 0, true), "gateway-1"))
	if s, _ := a.Both(); s != nil {
		t.Error("a gateway did not answer, and the accounts are compared")
	}
}
