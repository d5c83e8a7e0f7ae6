package drill

import (
	"context"
	"net/http"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/stage"
)

// untoldUsage is traffic of clients that do not ask for the usage of their streams, through a limit of tokens.
type untoldUsage struct {
	*drill
	stop   func()
	failed error // why the traffic ended early; read after stop
}

// untoldRate is enough for a rate in every window of the drill's rules.
const untoldRate = 20

// tokensPath has a limit of tokens in the drill's scenario.
const tokensPath = "/tokens/v1/chat/completions"

func (t *untoldUsage) begin(ctx context.Context) error {
	a := stage.Workload(t.session, t.stage, load.Probes, 1) // a worker does one other attack at a time
	a.ID += "-untold-usage"
	a.Requests = []load.Request{{
		Name: "untold-usage", Method: http.MethodPost, Path: tokensPath,
		Header: map[string]string{"Content-Type": "application/json"},
		Body:   `{"model":"model-7","stream":true,"max_tokens":4,"messages":[{"role":"user","content":"hello"}]}`,
	}}
	a.LatencyOf = nil
	a.Rate, a.Timeout = untoldRate, 5*time.Second
	a.Duration = fireWithin + resolveWithin
	t.stop = t.load(ctx, a, func(err error) { t.failed = err })
	return nil
}

func (t *untoldUsage) end(context.Context) error {
	if t.stop == nil {
		return nil
	}
	t.stop()
	return t.failed
}
