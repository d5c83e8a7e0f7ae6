package session

import (
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/gatelab/gatelab/harness/internal/follow"
	"github.com/gatelab/gatelab/harness/internal/load"
)

// LiveLog appends a session's events to live.jsonl in the run's folder, for those who follow the run (package follow).
type LiveLog struct {
	reports string
	warn    func(string)

	mu   sync.Mutex
	log  *follow.Log
	last map[string]time.Time // of the newest line, by attack
}

var _ Observer = (*LiveLog)(nil)

// attackEvery is the interval between lines of one attack.
const attackEvery = time.Second

// NewLiveLog writes below the reports folder. A log that cannot be written is told to warn once, and the run continues without it.
func NewLiveLog(reports string, warn func(string)) *LiveLog {
	return &LiveLog{reports: reports, warn: warn, last: map[string]time.Time{}}
}

// kinds are the log's words for events.
var kinds = map[Kind]string{Step: follow.Step, Verdict: follow.Step, Fault: follow.Fault}

// Observe implements Observer.
func (l *LiveLog) Observe(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e.Kind {
	case Begin:
		log, err := follow.Create(filepath.Join(l.reports, "runs", e.RunID))
		if err != nil {
			l.warn(fmt.Sprintf("no live log of this run: %v", err))
		}
		l.log = log
		l.log.Add(follow.Event{Kind: follow.Begin, Text: e.Text})
	case Step, Verdict, Fault:
		l.log.Add(follow.Event{Kind: kinds[e.Kind], Text: e.Text})
	case Progress:
		if e.At.Sub(l.last[e.Attack.ID]) < attackEvery && !e.Progress.Ended() {
			return
		}
		l.last[e.Attack.ID] = e.At
		l.log.Add(attackEvent(e.Stage, e.Attack, e.Progress))
	case End:
		// The file is kept: of a run without a report it is all there is.
		l.log.Add(follow.Event{Kind: follow.End, Text: e.Text, Valid: e.Valid})
		l.log.Close()
		l.log = nil
	}
}

func attackEvent(stage string, a load.Attack, p load.Progress) follow.Event {
	elapsed, total := p.Elapsed.Seconds(), p.Total.Seconds()
	e := follow.Event{Kind: follow.Attack, Stage: stage, Model: a.Model, State: p.State, ElapsedS: &elapsed, TotalS: &total}
	if p.QPS > 0 || p.Elapsed > 2*time.Second { // before the first full second there is no rate
		e.QPS = &p.QPS
	}
	if a.Model == load.Open && p.P50 > 0 { // a closed loop's latency is no user's
		p50, p99 := inMS(p.P50), inMS(p.P99)
		e.P50MS, e.P99MS = &p50, &p99
	}
	if p.Requests > 0 {
		rate := float64(p.Failed) / float64(p.Requests)
		e.ErrorRate = &rate
	}
	if n := len(p.Series); n > 0 && p.Series[n-1].Requests > 0 && p.Series[n-1].Hits > 0 {
		ratio := float64(p.Series[n-1].Hits) / float64(p.Series[n-1].Requests)
		e.HitRatio = &ratio
	}
	return e
}

func inMS(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
