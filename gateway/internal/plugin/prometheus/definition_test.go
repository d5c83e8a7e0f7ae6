package prometheus

import (
	"reflect"
	"testing"

	"gatelab/gateway/internal/entity"
	"gatelab/gateway/internal/entity/entitytest"
	"gatelab/gateway/internal/plugin"
)

var uses = entitytest.Uses{
	"prometheus.per_consumer":            `.: json:"per_consumer" + .PerConsumer`,
	"prometheus.status_code_metrics":     `.: json:"status_code_metrics" + .StatusCodes`,
	"prometheus.latency_metrics":         `.: json:"latency_metrics" + .Latency`,
	"prometheus.bandwidth_metrics":       `.: json:"bandwidth_metrics" + .Bandwidth`,
	"prometheus.upstream_health_metrics": `.: json:"upstream_health_metrics" + .UpstreamHealth`,
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{"prometheus": Definition().Config}, nil)
}

func insert(t *testing.T, body string) (entity.Record, error) {
	t.Helper()
	return entitytest.Insert(t, plugin.NewSet(Definition()).Catalog(), "plugins", body)
}

func TestRefusedConfigurations(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{
			name: "a text for a flag", body: `{"name":"prometheus","config":{"per_consumer":"yes"}}`,
			want: "config.per_consumer: expected a boolean",
		},
		{
			name: "an unknown field",
			body: `{"name":"prometheus","config":{"x":1}}`,
			want: "config.x: unknown field",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := insert(t, tt.body)
			entitytest.Refused(t, err, tt.want)
		})
	}
}

func TestDefaults(t *testing.T) {
	r, err := insert(t, `{"name":"prometheus"}`)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"per_consumer": false, "status_code_metrics": false, "latency_metrics": false, "bandwidth_metrics": false,
		"upstream_health_metrics": false,
	}
	if !reflect.DeepEqual(r["config"], want) {
		t.Errorf("config\n%v\nwant\n%v", r["config"], want)
	}
}

func TestPriorityIsKongs(t *testing.T) {
	if p := Definition().Priority; p != 13 {
		t.Errorf("priority %d", p)
	}
}
