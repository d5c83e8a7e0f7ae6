package ratelimiting

import (
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/limit"
)

// Plugins may share a namespace, and so counters. A client that chooses its
// header must not spend what is a consumer's, an address's or another header's.
func TestIdentitiesOfDifferentKindsCountApart(t *testing.T) {
	l := limit.New(limit.Config{}, nil)
	defer l.Close()
	const same = "0a0a0a0a-0000-4000-8000-000000000000"
	for i, by := range []identifier{
		{by: "consumer"}, {by: "credential"}, {by: "ip"}, {by: "service"}, {by: "path", path: same}, {by: "header",
			header: "X-A"}, {by: "header", header: "X-B"},
	} {
		s, err := newRuleSet(l, limit.Policy{Namespace: "shared", Windows: []limit.Window{{Limit: 1, Size: 24 * 365 * 100 * time.Hour}}}, by)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := s.known.Take(same); err != nil || !d.Allowed {
			t.Errorf("%d: by %s %s: spent by another kind of identity (%v)", i, by.by, by.header, err)
		}
	}
	again, err := newRuleSet(l, limit.Policy{Namespace: "shared",
		Windows: []limit.Window{{Limit: 1, Size: 24 * 365 * 100 * time.Hour}}}, identifier{by: "header", header: "x-a"})
	if err != nil {
		t.Fatal(err)
	}
	if d, err := again.known.Take(same); err != nil || d.Allowed {
		t.Errorf("the same header in another spelling has counters of its own (%v)", err)
	}
	if d, err := again.byIP.Take(same); err != nil || d.Allowed {
		t.Errorf("an address that has used up the shared limit passes where it lacks a header (%v)", err)
	}
}
