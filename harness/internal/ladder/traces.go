package ladder

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/gatelab/gatelab/harness/internal/assess"
	"github.com/gatelab/gatelab/harness/internal/collector"
	"github.com/gatelab/gatelab/harness/internal/jsonhttp"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/otlp"
	"github.com/gatelab/gatelab/harness/internal/readings"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// workerService is the worker's name in traces.
const workerService = "worker"

// The wait for spans: a gateway keeps them for a second to send several at once, an origin for half of that.
const (
	quietFor   = 2500 * time.Millisecond // without a span: no further one is on its way
	settleIn   = 20 * time.Second        // at most
	settlePoll = 250 * time.Millisecond
)

// traced says whether the stage has a collector of traces.
func (l *rung) traced() bool { return l.stage.Topology.Tracing.On }

// collectorURL is where the harness reaches the collector.
func (l *rung) collectorURL() (string, error) {
	n, ok := l.session.Lab.Node(topology.RoleCollector)
	if !ok {
		return "", fmt.Errorf("the lab has no %s", topology.RoleCollector)
	}
	return "http://" + n.HostAddr(topology.PortCollector), nil
}

// beginTraces forgets what the collector knows of an earlier stage.
func (l *rung) beginTraces(ctx context.Context) error {
	if !l.traced() {
		return nil
	}
	url, err := l.collectorURL()
	if err != nil {
		return err
	}
	l.found.Traces = &assess.Traces{}
	return jsonhttp.Send(ctx, http.MethodPost, url+"/reset", nil, nil)
}

// tell sends the collector the spans of probes that began a trace: the worker's, which knows no collector. Probes that no gateway
// answered have no status there, as none of their responses needs a server's span: an edge's cache or the balancer made it.
func (l *rung) tell(ctx context.Context, probes *load.Result) error {
	if !l.traced() || probes == nil {
		return nil
	}
	url, err := l.collectorURL()
	if err != nil {
		return err
	}
	var spans []otlp.Span
	for _, p := range probes.Probes {
		c, err := otlp.ParseContext([]byte(p.Trace))
		if err != nil {
			return fmt.Errorf("a probe's trace: %w", err)
		}
		began := probes.Began.Add(p.Offset)
		s := otlp.Span{
			Trace: c.Trace, ID: c.Span, Service: workerService, Name: p.Name, Kind: otlp.Client,
			Start: began, End: began.Add(p.Latency), Failed: !p.OK,
		}
		if p.Node != "" {
			s.Status = p.Status
			l.found.Traces.Probes++
		}
		spans = append(spans, s)
	}
	return otlp.Send(ctx, url+otlp.TracesPath, workerService, spans)
}

// endTraces takes over what a round added to the traces, when no span is on its way any more.
func (l *rung) endTraces(ctx context.Context, before, after readings.Reading) error {
	if !l.traced() {
		return nil
	}
	t := l.found.Traces
	t.Add(before, after)
	var err error
	if t.Found, err = l.settled(ctx); err != nil {
		return err
	}
	l.session.Step("%s: %d traces with %d spans, %d whole", l.stage.Name, t.Found.Traces, t.Found.Spans, t.Found.Whole)
	return nil
}

// settled is what the collector found, as soon as no span has come for a while.
func (l *rung) settled(ctx context.Context) (found collector.Summary, err error) {
	url, err := l.collectorURL()
	if err != nil {
		return found, err
	}
	began := time.Now()
	for {
		found = collector.Summary{}
		if err := jsonhttp.Get(ctx, url+"/summary", &found); err != nil {
			return found, fmt.Errorf("ask the collector: %w", err)
		}
		quiet := time.Duration(found.QuietMS) * time.Millisecond
		if found.QuietMS < 0 { // none has come at all
			quiet = time.Since(began)
		}
		if quiet >= quietFor || time.Since(began) >= settleIn {
			return found, nil
		}
		select {
		case <-ctx.Done():
			return found, context.Cause(ctx)
		case <-time.After(settlePoll):
		}
	}
}
