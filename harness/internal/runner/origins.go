package runner

import (
	"context"

	"gatelab/harness/internal/lab"
)

// originStats is what an origin says it served since its start or reset.
type originStats struct {
	Requests        uint64                       `json:"requests"`
	Endpoints       map[string]map[string]uint64 `json:"endpoints"`
	ChatInFlightMax int                          `json:"chat_in_flight_max"`
}

// refused is how many requests the origin answered 429.
func (o *originStats) refused() (n uint64) {
	for _, statuses := range o.Endpoints {
		n += statuses["429"]
	}
	return n
}

// readOrigin asks an origin; nil where it does not answer.
func readOrigin(ctx context.Context, n lab.Node) *originStats {
	var s originStats
	if err := getJSON(ctx, "http://"+n.HostAddr(lab.PortOrigin)+"/stats", &s); err != nil {
		return nil
	}
	return &s
}

// served is what all origins served in a time.
type served struct{ requests, refused uint64 }

// servedIn is what all origins served between the first and the last reading. ok
// is false where one of them did not answer at either end: what it served is not
// known then, and the others' alone would pass for all.
func servedIn(readings []reading) (all served, ok bool) {
	before := map[string]originStats{}
	for i, r := range readings {
		for name, now := range r.origins {
			if now == nil {
				if i == 0 || i == len(readings)-1 {
					return served{}, false
				}
				continue
			}
			prev := before[name]
			if now.Requests < prev.Requests {
				prev = originStats{} // it was restarted
			}
			if i > 0 {
				all.requests += now.Requests - prev.Requests
				all.refused += now.refused() - min(prev.refused(), now.refused())
			}
			before[name] = *now
		}
	}
	return all, len(readings) > 1 && len(before) > 0
}

// servedInAll adds attacks up. ok is false where it is not known of one of them.
func servedInAll(attacks []*attacked) (all served, ok bool) {
	for _, a := range attacks {
		one, known := servedIn(a.readings)
		if !known {
			return served{}, false
		}
		all.requests, all.refused = all.requests+one.requests, all.refused+one.refused
	}
	return all, len(attacks) > 0
}

// mostChats is how many chats any one origin had in flight at most.
func mostChats(readings []reading) (most int) {
	for _, r := range readings {
		for _, o := range r.origins {
			if o != nil {
				most = max(most, o.ChatInFlightMax)
			}
		}
	}
	return most
}

// forwarded is how many requests the gateways say they sent on between two
// readings. ok is false where one of them is missing in either.
func forwarded(before, after reading) (n uint64, ok bool) {
	const name = "gateway_upstream_duration_seconds"
	for node := range before.gateways {
		if after.gateways[node] == nil {
			return 0, false
		}
	}
	for node, now := range after.gateways {
		then := before.gateways[node]
		if then == nil {
			return 0, false
		}
		n += uint64(max(0, now.observations(name)-then.observations(name)))
	}
	return n, true
}

// accounts compare what the gateways say they sent on with what the origins
// counted, in rounds from before the first attack to after the last, when
// nothing is in flight. A round in which somebody did not answer leaves nothing
// to compare.
type accounts struct {
	rounds          int
	unknown         bool
	forwarded, seen uint64
}

func (a *accounts) add(before, after reading) {
	a.rounds++
	sent, ok := forwarded(before, after)
	got, known := servedIn([]reading{before, after})
	a.unknown = a.unknown || !ok || !known
	a.forwarded, a.seen = a.forwarded+sent, a.seen+got.requests
}

// both sides; nil where they are not known.
func (a *accounts) both() (sent, got *uint64) {
	if a.rounds == 0 || a.unknown {
		return nil, nil
	}
	return &a.forwarded, &a.seen
}
