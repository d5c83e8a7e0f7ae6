// Package reload keeps the data plane at the newest revision of the
// configuration: it watches the store and applies what changed, several changes
// together where they come fast. A revision that is rejected or cannot be read
// leaves the previous snapshot in use.
package reload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Store keeps the configuration.
type Store interface {
	// Snapshot reads the configuration of one revision, the newest.
	Snapshot(ctx context.Context) (*entity.Config, error)
	// Watch calls changed with each new revision, the current one first, and
	// received with each message of a replica, until ctx ends.
	Watch(ctx context.Context, changed func(revision int64), received func(text string)) error
}

// DataPlane serves requests with a snapshot of a configuration.
type DataPlane interface {
	// Apply makes a snapshot and puts it into use. An error rejects the
	// configuration; the previous snapshot stays in use.
	Apply(cfg *entity.Config) error
	// Refuse notes a revision that is rejected before Apply, and returns the error
	// that Apply would.
	Refuse(revision int64, err error) error
}

// Config is how a Reloader works.
type Config struct {
	// Permanent reports whether an error of the store is permanent, so that Start
	// returns it at once; nil: none is.
	Permanent func(error) bool
	// Undecodable reports whether an error of Snapshot rejects a revision, and which one,
	// because the stored configuration cannot be decoded; nil: none does.
	Undecodable func(error) (revision int64, is bool)
	// Receive handles messages of replicas; nil: they are dropped.
	Receive func(text string)
	// Waiting is called with the reason why there is nothing to serve yet; nil: it is
	// only logged.
	Waiting func(reason string)
	Log     *slog.Logger
}

// RejectedError says that a revision was read and cannot be put into use. Only
// another revision helps.
type RejectedError struct{ Err error }

func (e *RejectedError) Error() string { return e.Err.Error() }

// Unwrap returns the data plane's error.
func (e *RejectedError) Unwrap() error { return e.Err }

// Reloader keeps a data plane up to date. It is safe for concurrent use.
type Reloader struct {
	store   Store
	plane   DataPlane
	config  Config
	metrics metrics
	pending chan struct{} // has an element when a reload is due
	applied chan struct{} // closed by the first configuration in use
	first   sync.Once

	awaited chan struct{} // has an element when a revision is waited for
	busy    atomic.Int64  // what the last Load cost, in nanoseconds

	mu      sync.Mutex
	inUse   int64         // revision; guarded by mu
	decided int64         // newest revision that was put into use or rejected; guarded by mu
	changed chan struct{} // closed by the next decision; guarded by mu
}

// New makes a Reloader. Nothing is read before Start or Load.
func New(s Store, p DataPlane, c Config, reg prometheus.Registerer) *Reloader {
	if c.Permanent == nil {
		c.Permanent = func(error) bool { return false }
	}
	if c.Undecodable == nil {
		c.Undecodable = func(error) (int64, bool) { return 0, false }
	}
	if c.Receive == nil {
		c.Receive = func(string) {}
	}
	if c.Waiting == nil {
		c.Waiting = func(string) {}
	}
	return &Reloader{
		store: s, plane: p, config: c, metrics: newMetrics(reg), pending: make(chan struct{}, 1), applied: make(chan struct{}),
		awaited: make(chan struct{}, 1), changed: make(chan struct{}),
	}
}

// Applied is closed when the first configuration is in use.
func (r *Reloader) Applied() <-chan struct{} { return r.applied }

// Await waits until a revision or a newer one is in use, and returns true. It
// returns false when ctx ends before that, and when the newest revision is not
// in use because it was rejected. While it waits, changes are applied with
// shorter pauses.
func (r *Reloader) Await(ctx context.Context, revision int64) bool {
	select {
	case r.awaited <- struct{}{}:
	default:
	}
	for {
		r.mu.Lock()
		served, decided := r.inUse >= revision, r.decided >= revision
		changed := r.changed
		r.mu.Unlock()
		if served || decided {
			return served
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		}
	}
}

// decide notes what became of a revision.
func (r *Reloader) decide(revision int64, inUse bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.decided = revision; inUse {
		r.inUse = revision
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// Load reads the newest configuration and puts it into use. The error is a
// *RejectedError where the configuration was read and rejected.
func (r *Reloader) Load(ctx context.Context) error {
	cfg, busy, err := r.read(ctx)
	r.busy.Store(int64(busy))
	if err != nil {
		if revision, is := r.config.Undecodable(err); is {
			return r.rejected(revision, r.plane.Refuse(revision, err))
		}
		return err
	}
	began := time.Now()
	err = r.plane.Apply(cfg)
	took := time.Since(began)
	r.busy.Add(int64(took))
	if err != nil {
		return r.rejected(cfg.Revision, err)
	}
	r.decide(cfg.Revision, true)
	r.metrics.applySeconds.Observe(took.Seconds())
	r.first.Do(func() { close(r.applied) })
	return nil
}

// read reads the newest configuration. busy is the CPU time that it took: a database
// that is far away takes long to answer, and waiting for it keeps nobody from anything.
func (r *Reloader) read(ctx context.Context) (cfg *entity.Config, busy time.Duration, err error) {
	defer onThread(&busy)()
	cfg, err = r.store.Snapshot(ctx)
	return cfg, 0, err
}

func (r *Reloader) rejected(revision int64, err error) error {
	r.decide(revision, false)
	r.metrics.applyErrors.Inc()
	select {
	case <-r.applied:
	default:
		r.config.Waiting("the stored configuration was rejected; the log says why")
	}
	return &RejectedError{err}
}

// The pauses between attempts to reach the store grow between these bounds.
const (
	minPause      = 100 * time.Millisecond
	maxStartPause = 2 * time.Second
	maxPause      = 5 * time.Second
)

// Start prepares the store and loads the first configuration. Where the store
// cannot be reached, it tries again for up to timeout. A rejected configuration
// is no error: the Admin API has to start, so that it can be corrected.
func (r *Reloader) Start(ctx context.Context, prepare func(context.Context) error, timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	for pause := minPause; ; pause = min(2*pause, maxStartPause) {
		err := r.start(ctx, prepare)
		if err == nil || ctx.Err() != nil || r.config.Permanent(err) || !time.Now().Add(pause).Before(deadline) {
			return err
		}
		r.config.Waiting("Postgres is unavailable; the log says why")
		r.config.Log.Warn("waiting for Postgres", "error", err, "retry_in", pause.String())
		sleep(ctx, pause)
	}
}

func (r *Reloader) start(ctx context.Context, prepare func(context.Context) error) error {
	if err := prepare(ctx); err != nil {
		return err
	}
	err := r.Load(ctx)
	var rejected *RejectedError
	if errors.As(err, &rejected) {
		r.config.Log.Error("configuration rejected; not ready until it is corrected", "error", err)
		return nil
	}
	return err
}

// Run applies every new revision until ctx ends. While the store is away the
// last snapshot stays in use.
func (r *Reloader) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		err := r.store.Watch(ctx, func(int64) { r.request() }, r.config.Receive)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("watch the configuration: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-r.pending:
			}
			r.reload(ctx)
			r.rest(ctx, time.Duration(r.busy.Load()))
		}
	})
	return group.Wait()
}

// request asks for a reload. One that is pending already will see the newest
// revision, too.
func (r *Reloader) request() {
	select {
	case r.pending <- struct{}{}:
	default:
	}
}

// restAfter returns the pause after a reload that cost so much: changes that
// come faster are applied together, and use at most a fifth of a core. The first
// change after a pause is applied at once.
func restAfter(took time.Duration) time.Duration { return min(4*took, 2*time.Second) }

// rest pauses after a reload that took so long. Where a revision is waited for,
// the pause is as long as the reload.
func (r *Reloader) rest(ctx context.Context, took time.Duration) {
	all := restAfter(took)
	short := min(took, all)
	sleep(ctx, short)
	timer := time.NewTimer(all - short)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-r.awaited:
	case <-timer.C:
	}
}

// reload tries again while the store cannot be reached, because a revision is
// announced only once.
func (r *Reloader) reload(ctx context.Context) {
	for pause := minPause; ctx.Err() == nil; pause = min(2*pause, maxPause) {
		err := r.Load(ctx)
		if err == nil {
			return
		}
		var rejected *RejectedError
		if errors.As(err, &rejected) { // a later revision has to correct it
			r.config.Log.Error("configuration rejected; keeping the previous revision", "error", err)
			return
		}
		if ctx.Err() != nil {
			return
		}
		r.config.Log.Warn("configuration cannot be read; keeping the previous revision", "error", err)
		sleep(ctx, pause)
	}
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
