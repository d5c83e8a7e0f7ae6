package grafana

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gatelab/gatelab/dashboards"
)

// Annotator writes marks and spans without delaying a run: they wait in a queue; if it is full, they are counted and dropped. A nil
// Annotator does nothing.
type Annotator struct {
	api     *api
	queue   chan annotation
	written sync.WaitGroup
	stop    context.CancelFunc

	mu      sync.Mutex
	closed  bool
	dropped int
	failed  int
	first   error
}

// queueLength is the number of annotations that may wait; a run has tens.
const queueLength = 256

// NewAnnotator checks that Grafana answers and starts the writer, which Close ends. The annotations belong to no dashboard but to the
// organization, and carry the tag that our dashboards show.
func NewAnnotator(ctx context.Context, c Config) (*Annotator, error) {
	ctx, cancel := context.WithCancel(ctx)
	api, err := connect(ctx, c)
	if err != nil {
		cancel()
		return nil, err
	}
	a := &Annotator{api: api, queue: make(chan annotation, queueLength), stop: cancel}
	a.written.Go(a.write)
	return a, nil
}

// Mark annotates a moment.
func (a *Annotator) Mark(at time.Time, text string, tags ...string) {
	a.add(at, time.Time{}, text, tags)
}

// Span annotates a period.
func (a *Annotator) Span(from, to time.Time, text string, tags ...string) {
	a.add(from, to, text, tags)
}

func (a *Annotator) add(from, to time.Time, text string, tags []string) {
	if a == nil {
		return
	}
	n := annotation{begin: from.UnixMilli(), text: text, tags: append([]string{dashboards.Tag}, tags...)}
	if !to.IsZero() {
		n.end = to.UnixMilli()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		a.dropped++
		return
	}
	select {
	case a.queue <- n:
	default:
		a.dropped++
	}
}

func (a *Annotator) write() {
	for n := range a.queue {
		if err := a.api.annotate(n); err != nil {
			a.mu.Lock()
			a.failed++
			if a.first == nil {
				a.first = explain("write annotation", err)
			}
			a.mu.Unlock()
		}
	}
}

// Close waits until all annotations are written, or until ctx ends. The error tells how many were lost and why.
func (a *Annotator) Close(ctx context.Context) error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	if !a.closed {
		a.closed = true
		close(a.queue)
	}
	a.mu.Unlock()
	// When ctx ends, requests under way end at once and so do all others.
	undo := context.AfterFunc(ctx, a.stop)
	a.written.Wait()
	undo()
	a.stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dropped+a.failed == 0 {
		return nil
	}
	return errors.Join(fmt.Errorf("%d annotations were not written", a.dropped+a.failed), a.first)
}
