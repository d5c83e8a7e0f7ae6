package runner

import (
	"testing"
	"time"

	"gatelab/harness/internal/load"
	"gatelab/harness/internal/scenario"
)

// limited is a stage in which one consumer floods a service that gives each 20
// requests a second.
func limited() *scenario.Stage {
	plugin := map[string]any{"name": "rate-limiting-advanced", "config": map[string]any{
		"identifier": "consumer", "limit": []any{int64(20)}, "window_size": []any{int64(1)},
	}}
	return &scenario.Stage{
		Entities: map[string]any{"services": []any{map[string]any{"name": "chat", "plugins": []any{map[string]any{"name": "prometheus"}, plugin}}}},
		Workload: scenario.Workload{
			Consumers: []scenario.ConsumerGroup{{Name: "steady", Count: 20}, {Name: "flood", Count: 1}},
			Requests:  []scenario.Request{{Name: "chat", Consumers: []string{"steady"}}, {Name: "flood-chat", Consumers: []string{"flood"}, LimitedOK: true}},
		},
	}
}

// flooded is ten seconds in which so many of the flood's requests got through.
func flooded(admitted uint64) *attacked {
	began := time.Unix(0, 0)
	return &attacked{result: &load.Result{Began: began, Ended: began.Add(10 * time.Second), ByRequest: map[string]load.Counts{
		"chat": {Requests: 9000, Successes: 9000}, "flood-chat": {Requests: admitted + 100, Successes: admitted, Limited: 100},
	}}}
}

func TestOverAdmittedIsWhatNoWindowAllows(t *testing.T) {
	for _, c := range []struct {
		admitted, want uint64
	}{{200, 0}, {220, 0}, {221, 1}, {500, 280}} { // ten seconds touch eleven windows at most
		got := overAdmitted(limited(), []*attacked{flooded(c.admitted), flooded(0)})
		if got == nil || *got != c.want {
			t.Errorf("%d admitted: %v over, want %d", c.admitted, got, c.want)
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
	for why, s := range map[string]*scenario.Stage{"there is no limit": free, "nobody is meant to reach it": polite, "there are two": two} {
		if got := overAdmitted(s, []*attacked{flooded(500)}); got != nil {
			t.Errorf("%s: %d over", why, *got)
		}
	}
}
