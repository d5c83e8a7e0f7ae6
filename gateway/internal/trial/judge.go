// Package trial ends trials: it drops one that misses its objectives, on this replica
// at once and on all of them as soon as the store can be told, and promotes or drops
// one whose time is over.
package trial

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Running is a trial that this replica serves a part of its requests with. It is safe
// for concurrent use.
type Running interface {
	About() *entity.Trial
	// Failed returns why this replica cannot serve the trial's configuration.
	Failed() error
	// Stop has this replica serve all requests with the configuration that holds.
	Stop()
	// Counts returns what was served since the trial began: with the configuration that
	// holds, and with the one that is tried.
	Counts() (stable, tried entity.TrialCounts)
}

// Store keeps trials and what replicas have counted of them.
type Store interface {
	// ReportTrial stores what a process has counted, and returns what all have, and how
	// long the trial has been running.
	ReportTrial(ctx context.Context, id, process, replica string, stable, tried entity.TrialCounts) (
		all entity.TrialCounts, age time.Duration, err error)
	DropTrial(ctx context.Context, key, actor, reason string) error
	PromoteTrial(ctx context.Context, key, actor, reason string) error
}

// Config is how a Judge works.
type Config struct {
	Replica string // name of this replica
	Process string // UUID of this process: a replica that restarts counts anew
	Log     *slog.Logger
	// Running returns the trial of the configuration in use, nil for none.
	Running func() Running
	// Over reports whether an error of the store says that the trial has ended.
	Over func(error) bool
}

// The intervals of a Judge.
const (
	lookEvery   = 250 * time.Millisecond // at what this replica has counted
	reportEvery = time.Second            // to the other replicas

	reportWithin = time.Second // time limits of the store, so that looking goes on
	endWithin    = 10 * time.Second
)

// Judge watches the trial that is running.
type Judge struct {
	config Config
	store  Store

	running  Running // nil: none
	own, all window
	reported time.Time
	verdict  string    // why the trial is to be dropped; "": it is not
	asked    time.Time // when the store was asked to drop it
}

// New makes a Judge.
func New(c Config, s Store) *Judge { return &Judge{config: c, store: s} }

// Run judges trials until ctx ends.
func (j *Judge) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			j.look(ctx, now)
		}
	}
}

// look does what is due at a time. What this replica has counted comes first: that
// needs no store.
func (j *Judge) look(ctx context.Context, now time.Time) {
	running := j.config.Running()
	if j.running != nil && (running == nil || running.About().ID != j.running.About().ID) {
		j.leave(ctx, now)
	}
	if running == nil || j.running != nil && running.About().ID != j.running.About().ID {
		return
	}
	if j.running == nil {
		*j = Judge{config: j.config, store: j.store, running: running, own: newWindow(now, 0)}
	}
	rules := &running.About().Rules
	_, tried := running.Counts()
	j.own.add(now, tried)
	if err := running.Failed(); err != nil && j.verdict == "" {
		j.verdict = fmt.Sprintf("%s cannot serve its configuration: %v", j.config.Replica, err)
	}
	if j.verdict == "" {
		j.conclude(rules, &j.own, j.config.Replica)
	}
	if j.verdict != "" && now.Sub(j.asked) >= reportEvery {
		j.asked = now
		j.end(ctx, j.store.DropTrial, j.verdict)
	}
	if now.Sub(j.reported) >= reportEvery {
		j.reported = now
		j.report(ctx, now)
	}
}

// leave reports, once, what was counted of a trial that has ended: other replicas, or
// the operator, may have ended it since the last report. Requests that are still in
// flight are not counted.
func (j *Judge) leave(ctx context.Context, now time.Time) {
	if now.Sub(j.reported) < reportEvery {
		return // the requests in flight may end
	}
	stable, tried := j.running.Counts()
	about := j.running.About()
	ctx, cancel := context.WithTimeout(ctx, reportWithin)
	defer cancel()
	if _, _, err := j.store.ReportTrial(ctx, about.ID, j.config.Process, j.config.Replica, stable, tried); err != nil {
		j.config.Log.Warn("what was counted of a trial could not be stored", "trial", about.Name, "error", err)
	}
	j.running = nil
}

// conclude drops a trial whose objectives are missed, on this replica at once.
func (j *Judge) conclude(rules *entity.TrialRules, w *window, where string) {
	reason := missed(rules, w)
	if reason == "" {
		return
	}
	j.verdict = reason + " on " + where
	j.running.Stop()
	j.config.Log.Warn("a trial misses its objectives", "trial", j.running.About().Name, "reason", j.verdict)
}

// report tells the other replicas what this one has counted, and judges by what all
// have.
func (j *Judge) report(ctx context.Context, now time.Time) {
	about := j.running.About()
	stable, tried := j.running.Counts()
	rctx, cancel := context.WithTimeout(ctx, reportWithin)
	defer cancel()
	all, age, err := j.store.ReportTrial(rctx, about.ID, j.config.Process, j.config.Replica, stable, tried)
	if err != nil {
		if !j.config.Over(err) && ctx.Err() == nil {
			j.config.Log.Warn("what was counted of a trial could not be stored", "trial", about.Name, "error", err)
		}
		return
	}
	if j.all.empty() && age <= lengthOf(&about.Rules) {
		j.all = newWindow(now, age)
	}
	j.all.add(now, all)
	if j.verdict == "" {
		j.conclude(&about.Rules, &j.all, "all replicas")
	}
	if j.verdict == "" && age >= time.Duration(about.Rules.Lasts)*time.Second {
		j.expire(ctx, &about.Rules, all)
	}
}

// expire ends a trial whose time is over.
func (j *Judge) expire(ctx context.Context, r *entity.TrialRules, all entity.TrialCounts) {
	over := fmt.Sprintf("its %v are over", time.Duration(r.Lasts)*time.Second)
	if r.Then != entity.ThenPromote {
		j.verdict = over
		return
	}
	if reason := unmet(r, all); reason != "" {
		j.verdict = over + ", and " + reason
		return
	}
	j.end(ctx, j.store.PromoteTrial, over+", and its objectives are met: "+describe(all))
}

// end has the store end the trial. Another replica may have done it before.
func (j *Judge) end(ctx context.Context, do func(ctx context.Context, key, actor, reason string) error, reason string) {
	about := j.running.About()
	ectx, cancel := context.WithTimeout(ctx, endWithin)
	defer cancel()
	err := do(ectx, about.ID, "trial:"+about.Name, reason)
	switch {
	case err == nil:
		j.config.Log.Info("a trial has ended", "trial", about.Name, "reason", reason)
	case !j.config.Over(err) && ctx.Err() == nil:
		j.config.Log.Warn("a trial could not be ended; trying again", "trial", about.Name, "reason", reason, "error", err)
	}
}
