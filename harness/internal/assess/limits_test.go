package assess

import (
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/scenario"
)

// limited is a stage in which one consumer floods a service that gives each 20
// requests/s.
func limited() *scenario.Stage {
	plugin := map[string]any{"name": "rate-limiting-advanced", "config": map[string]any{
		"identifier": "consumer", "limit": []any{int64(20)}, "window_size": []any{int64(1)},
	}}
	chat := map[string]any{"name": "chat", "plugins": []any{map[string]any{"name": "prometheus"}, plugin}}
	return &scenario.Stage{
		Entities: map[string]any{"services": []any{chat}},
		Workload: scenario.Workload{
			Consumers: []scenario.ConsumerGroup{{Name: "steady", Count: 20}, {Name: "flood", Count: 1}},
			Requests: []scenario.Request{
				{Name: "chat", Consumers: []string{"steady"}},
				{Name: "flood-chat", Consumers: []string{"flood"}, LimitedOK: true},
			},
		},
	}
}

// flooded is ten seconds in which so many of the flood's requests got through.
func flooded(admitted uint64) *Recording {
	began := time.Unix(0, 0)
	return &Recording{Result: &load.Result{
		Began: began, Ended: began.Add(10 * time.Second),
		ByRequest: map[string]load.Counts{
			"chat": {Requests: 9000, Successes: 9000}, "flood-chat": {Requests: admitted + 100, Successes: admitted, Limited: 100},
		},
	}}
}

func TestOverAdmittedIsWhatNoWindowAllows(t *testing.T) {
	for _, c := range []struct { // ten seconds touch eleven windows at most
		name           string
		admitted, want uint64
	}{
		{name: "ten windows", admitted: 200, want: 0},
		{name: "eleven windows", admitted: 220, want: 0},
		{name: "one more", admitted: 221, want: 1},
		{name: "many more", admitted: 500, want: 280},
	} {
		got := overAdmitted(limited(), []*Recording{flooded(c.admitted), flooded(0)})
		if got == nil || *got != c.want {
			t.Errorf("%s: %v over, want %d", c.name, got, c.want)
		}
	}
}

func TestOverAdmittedIsNotKnownWithoutALimit(t *testing.T) {
	free := limited()
	free.Entities = nil
	polite := limited()
	polite.Workload.Requests = polite.Workload.Requests[:1]
	two := limited()
	two.Entities["plugins"] = limited().Entities["services"].([]any)[0].(map[string]any)["plugins"]
	for why, s := range map[string]*scenario.Stage{"there is no limit": free, "no request is meant to reach it": polite,
		"there are two": two} {
		if got := overAdmitted(s, []*Recording{flooded(500)}); got != nil {
			t.Errorf("%s: %d over", why, *got)
		}
	}
}
