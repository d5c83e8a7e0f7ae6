package readings

import (
	"context"

	"github.com/gatelab/gatelab/harness/internal/jsonhttp"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// OriginStats is what an origin says it served since its start or reset.
type OriginStats struct {
	Requests        uint64                       `json:"requests"`
	Endpoints       map[string]map[string]uint64 `json:"endpoints"`
	ChatInFlightMax int                          `json:"chat_in_flight_max"`

	PromptTokens     uint64 `json:"prompt_tokens"`     // of chats that were answered
	CompletionTokens uint64 `json:"completion_tokens"` // likewise; of a stream those that were sent

	// Of an origin that sends spans: requests with a traceparent, and spans that could not be sent.
	Traced    uint64 `json:"traced"`
	SpansLost uint64 `json:"spans_lost"`
}

// Refused is how many requests the origin answered 429.
func (o *OriginStats) Refused() (n uint64) {
	for _, statuses := range o.Endpoints {
		n += statuses["429"]
	}
	return n
}

// readOrigin asks an origin; nil where it does not answer.
func readOrigin(ctx context.Context, n lab.Node) *OriginStats {
	var s OriginStats
	if err := jsonhttp.Get(ctx, "http://"+n.HostAddr(topology.PortOrigin)+"/stats", &s); err != nil {
		return nil
	}
	return &s
}

// OriginTotals is what all origins served in a time.
type OriginTotals struct{ Requests, Refused uint64 }

// ServedIn is what all origins served between the first and the last reading. ok
// is false if one of them did not answer at either end: its share is unknown
// then.
func ServedIn(readings []Reading) (all OriginTotals, ok bool) {
	before := map[string]OriginStats{}
	for i, r := range readings {
		for name, now := range r.Origins {
			if now == nil {
				if i == 0 || i == len(readings)-1 {
					return OriginTotals{}, false
				}
				continue
			}
			prev := before[name]
			if now.Requests < prev.Requests {
				prev = OriginStats{} // it was restarted
			}
			if i > 0 {
				all.Requests += now.Requests - prev.Requests
				all.Refused += now.Refused() - min(prev.Refused(), now.Refused())
			}
			before[name] = *now
		}
	}
	return all, len(readings) > 1 && len(before) > 0
}

// MostChats is how many chats any one origin had in flight at most.
func MostChats(readings []Reading) (most int) {
	for _, r := range readings {
		for _, o := range r.Origins {
			if o != nil {
				most = max(most, o.ChatInFlightMax)
			}
		}
	}
	return most
}

// Forwarded is how many requests the gateways say they sent on between two
// readings. ok is false where one of them is missing in either.
func Forwarded(before, after Reading) (n uint64, ok bool) {
	const name = "gateway_upstream_duration_seconds"
	for node := range before.Gateways {
		if after.Gateways[node] == nil {
			return 0, false
		}
	}
	for node, now := range after.Gateways {
		then := before.Gateways[node]
		if then == nil {
			return 0, false
		}
		n += uint64(max(0, now.Observations(name)-then.Observations(name)))
	}
	return n, true
}

// Accounts compare the number of requests that the gateways forwarded with the
// number that the origins counted, over rounds that begin and end with nothing in
// flight. A round in which a node did not answer makes them unknown.
type Accounts struct {
	rounds          int
	unknown         bool
	forwarded, seen uint64
}

// Add takes over one round, from a reading before it to one after it.
func (a *Accounts) Add(before, after Reading) {
	a.rounds++
	sent, ok := Forwarded(before, after)
	got, known := ServedIn([]Reading{before, after})
	a.unknown = a.unknown || !ok || !known
	a.forwarded += sent
	a.seen += got.Requests
}

// Both are the two sides; nil if they are unknown.
func (a *Accounts) Both() (sent, got *uint64) {
	if a.rounds == 0 || a.unknown {
		return nil, nil
	}
	return &a.forwarded, &a.seen
}
