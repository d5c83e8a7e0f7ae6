package prometheus

import (
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
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

func TestSchema(t *testing.T) {
	plugintest.Schema{
		Priority: 13,
		Defaults: map[string]any{
			"per_consumer": false, "status_code_metrics": false, "latency_metrics": false, "bandwidth_metrics": false,
			"upstream_health_metrics": false,
		},
		Refused: map[string]string{
			`{"per_consumer":"yes"}`: "config.per_consumer: expected a boolean",
			`{"x":1}`:                "config.x: unknown field",
		},
	}.Check(t, Definition())
}
