package contest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatelab/gatelab/harness/internal/session"
)

// listener keeps when it was told something.
type listener struct {
	mu    sync.Mutex
	at    []time.Time
	texts []string
}

func (l *listener) Observe(e session.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at, l.texts = append(l.at, time.Now()), append(l.texts, e.Text)
}

func TestNoReaderWaitsLongerThanTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		n := newNarrator(l)
		ctx, cancel := context.WithCancel(t.Context())
		go n.run(ctx)
		began := time.Now()
		n.doing("building %s", "caddy")
		time.Sleep(25 * time.Second)
		n.Observe(session.Event{Kind: session.Step, Text: "built"})
		n.doing("plain: round 1 of 6")
		time.Sleep(25 * time.Second)
		cancel()
		synctest.Wait()
		before := began
		for i, at := range l.at {
			if at.Sub(before) > 10*time.Second {
				t.Errorf("silent for %s before %q", at.Sub(before), l.texts[i])
			}
			before = at
		}
		if len(l.texts) != 5 || !strings.HasPrefix(l.texts[1], "building caddy (1") || !strings.HasPrefix(l.texts[4], "plain: round 1 of 6 (") {
			t.Errorf("told %q", l.texts)
		}
	})
}
