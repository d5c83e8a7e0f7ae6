package contest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gatelab/gatelab/harness/internal/session"
)

// Of what is told while nothing else is.
const (
	narrateAfter = 9 * time.Second // of silence; with the tick no reader waits longer than ten seconds
	narrateTick  = time.Second
)

// narrator passes a session's events on, and says what is under way when nothing was said for a while: arms are started, asked and
// measured in turns that are too short to be told one by one.
type narrator struct {
	next session.Observer // nil: no one is told

	mu    sync.Mutex
	text  string    // what is under way
	since time.Time // since when
	said  time.Time // the last line
}

func newNarrator(next session.Observer) *narrator {
	now := time.Now()
	return &narrator{next: next, text: "starting", since: now, said: now}
}

// Observe implements session.Observer.
func (n *narrator) Observe(e session.Event) {
	if e.Kind == session.Step || e.Kind == session.Verdict {
		n.mu.Lock()
		n.said = time.Now()
		n.mu.Unlock()
	}
	if n.next != nil {
		n.next.Observe(e)
	}
}

// doing says what is under way from now on.
func (n *narrator) doing(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.text, n.since = fmt.Sprintf(format, args...), time.Now()
}

// run tells until ctx ends.
func (n *narrator) run(ctx context.Context) {
	ticker := time.NewTicker(narrateTick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			n.tell()
		}
	}
}

func (n *narrator) tell() {
	n.mu.Lock()
	now := time.Now()
	silent := now.Sub(n.said) >= narrateAfter
	text := fmt.Sprintf("%s (%.0f s)", n.text, now.Sub(n.since).Seconds())
	if silent {
		n.said = now
	}
	n.mu.Unlock()
	if silent {
		n.Observe(session.Event{Kind: session.Working, At: now, Text: text})
	}
}
