package grafana

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	gapi "github.com/grafana/grafana-api-golang-client"

	"gatelab/dashboards"
)

// Annotator writes marks and spans beside a run without holding it up: they
// wait in a queue, and what does not fit is counted and dropped. A nil
// Annotator does nothing.
type Annotator struct {
	client  *gapi.Client
	queue   chan *gapi.Annotation
	written sync.WaitGroup
	stop    context.CancelFunc

	mu      sync.Mutex
	closed  bool
	dropped int
	failed  int
	first   error
}

// annotations that may wait; a run has tens.
const queueLength = 256

// NewAnnotator asks whether Grafana answers and starts the writer. Close ends
// it. Grafana keeps annotations that belong to no dashboard for the whole
// organization; ours carry the tag that our boards show.
func NewAnnotator(ctx context.Context, c Config) (*Annotator, error) {
	ctx, cancel := context.WithCancel(ctx)
	client, err := connect(ctx, c)
	if err != nil {
		cancel()
		return nil, err
	}
	a := &Annotator{client: client, queue: make(chan *gapi.Annotation, queueLength), stop: cancel}
	a.written.Go(a.write)
	return a, nil
}

// Mark writes a moment.
func (a *Annotator) Mark(at time.Time, text string, tags ...string) {
	a.add(at, time.Time{}, text, tags)
}

// Span writes a time from one moment to another.
func (a *Annotator) Span(from, to time.Time, text string, tags ...string) {
	a.add(from, to, text, tags)
}

func (a *Annotator) add(from, to time.Time, text string, tags []string) {
	if a == nil {
		return
	}
	n := &gapi.Annotation{Time: from.UnixMilli(), Text: text, Tags: append([]string{dashboards.Tag}, tags...)}
	if !to.IsZero() {
		n.TimeEnd = to.UnixMilli()
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
		if _, err := a.client.NewAnnotation(n); err != nil {
			a.mu.Lock()
			a.failed++
			if a.first == nil {
				a.first = explain("write annotation", err)
			}
			a.mu.Unlock()
		}
	}
}

// Close waits until all that was added is written, or until ctx ends. The
// error tells how many annotations were lost and why.
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
