package runner

import (
	"path/filepath"
	"strings"
	"time"

	"gatelab/harness/internal/follow"
	"gatelab/harness/internal/load"
)

// follower writes what a run does into its live log, for who follows it.
type follower struct {
	log  *follow.Log
	last map[string]time.Time // of the line written last, by attack
}

// followEvery is how often an attack under way gets a line.
const followEvery = time.Second

// follow begins the run's live log. A run that cannot have one goes on without.
func (r *run) follow() {
	log, err := follow.Create(filepath.Join(r.Reports, "runs", r.id))
	if err != nil {
		r.Console.Step("nobody can follow this run: %v", err)
	}
	r.follower = follower{log: log, last: map[string]time.Time{}}
	log.Add(follow.Event{Kind: follow.Begin, Text: r.name + ", profile " + r.Profile})
	r.Console.OnStep(func(text string) {
		kind := follow.Step
		if strings.HasPrefix(text, "fault ") {
			kind = follow.Fault
		}
		log.Add(follow.Event{Kind: kind, Text: text})
	})
}

// unfollow ends the live log with what came of the run. It is kept: of a run
// that ended without a report it is all there is.
func (r *run) unfollow(err error) {
	r.Console.OnStep(nil)
	e := follow.Event{Kind: follow.End}
	if err != nil {
		e.Text = err.Error()
	} else {
		e.Valid = ptr(r.result.Valid)
	}
	r.follower.log.Add(e)
	r.follower.log.Close()
}

// progress shows an attack under way on the console and in the live log. Calls
// of one attack must not overlap.
func (r *run) progress(stage string, a load.Attack, p load.Progress) {
	r.Console.Live(live(stage, a, p))
	now := time.Now()
	if r.follower.log == nil || now.Sub(r.follower.last[a.ID]) < followEvery && !p.Ended() {
		return
	}
	r.follower.last[a.ID] = now
	r.follower.log.Add(attackEvent(stage, a, p))
}

func attackEvent(stage string, a load.Attack, p load.Progress) follow.Event {
	e := follow.Event{
		Kind: follow.Attack, Stage: stage, Model: a.Model, State: p.State,
		ElapsedS: ptr(p.Elapsed.Seconds()), TotalS: ptr(p.Total.Seconds()),
	}
	if p.QPS > 0 || p.Elapsed > 2*time.Second { // before the first full second there is no rate
		e.QPS = ptr(p.QPS)
	}
	// A closed loop's latency is no user's: it is shown to nobody.
	if a.Model == load.Open && p.P50 > 0 {
		e.P50MS, e.P99MS = ptr(inMS(p.P50)), ptr(inMS(p.P99))
	}
	if p.Requests > 0 {
		e.ErrorRate = ptr(float64(p.Failed) / float64(p.Requests))
	}
	if n := len(p.Series); n > 0 && p.Series[n-1].Requests > 0 && p.Series[n-1].Hits > 0 {
		e.HitRatio = ptr(float64(p.Series[n-1].Hits) / float64(p.Series[n-1].Requests))
	}
	return e
}
