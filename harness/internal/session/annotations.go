package session

import (
	"context"
	"sync"
	"time"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/grafana"
)

// Annotations mark stages and faults in Grafana.
type Annotations struct {
	annotator *grafana.Annotator

	mu    sync.Mutex
	began map[string]time.Time // of a stage, by scenario and stage
}

var _ Observer = (*Annotations)(nil)

// NewAnnotations asks Grafana whether it answers; Close writes what is still to be written.
func NewAnnotations(ctx context.Context, c grafana.Config) (*Annotations, error) {
	a, err := grafana.NewAnnotator(ctx, c)
	if err != nil {
		return nil, err
	}
	return &Annotations{annotator: a, began: map[string]time.Time{}}, nil
}

// Observe implements Observer.
func (a *Annotations) Observe(e Event) {
	switch e.Kind {
	case StageBegin:
		a.mu.Lock()
		a.began[e.Scenario+": stage "+e.Stage] = e.At
		a.mu.Unlock()
	case StageEnd:
		text := e.Scenario + ": stage " + e.Stage
		a.mu.Lock()
		began := a.began[text]
		a.mu.Unlock()
		a.annotator.Span(began, e.At, text, "stage")
	case Fault:
		what := "fault " + e.Fault.Kind + " " + e.Fault.Target
		switch e.FaultStep {
		case fault.StepInjected:
			a.annotator.Mark(e.Fault.InjectedAt, what+": injected", "fault")
		case fault.StepRecovered:
			a.annotator.Span(e.Fault.InjectedAt, e.Fault.RecoveredAt, what, "fault")
		}
	case Verdict:
		a.annotator.Mark(e.At, e.Text, "verdict")
	}
}

// closeWithin is the time limit for annotations that are still to be written at the end.
const closeWithin = 10 * time.Second

// Close writes what is still to be written. The error tells what Grafana refused.
func (a *Annotations) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	return a.annotator.Close(ctx)
}
