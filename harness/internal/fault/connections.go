package fault

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// KindConnections leaves Postgres no free connection.
const KindConnections = "connections"

// connectionLeak takes every connection that Postgres has, also those of others.
type connectionLeak struct {
	base
	dsn    string
	admin  *pgx.Conn  // held from the beginning: later there is none to be had
	using  sync.Mutex // of admin
	mu     sync.Mutex // guards held
	held   []*pgx.Conn
	cancel context.CancelFunc // stops taking more; nil: not begun
	done   chan struct{}
}

func makeConnections(s Spec, l Lab) (Fault, error) {
	dsn, err := postgresDSN(s, l)
	if err != nil {
		return nil, err
	}
	return &connectionLeak{base: base{s.Kind, s.Target}, dsn: dsn + "&application_name=gatelab-fault"}, nil
}

func (f *connectionLeak) EffectWithin() time.Duration { return 30 * time.Second }

func (f *connectionLeak) Setup(ctx context.Context) (err error) {
	f.admin, err = pgx.Connect(ctx, f.dsn)
	return err
}

// Inject takes what is free, ends the connections of others and takes those, and
// keeps taking what becomes free.
func (f *connectionLeak) Inject(ctx context.Context) error {
	if err := f.takeAll(ctx); err != nil {
		return err
	}
	if err := f.evict(ctx); err != nil {
		return err
	}
	going, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f.cancel, f.done = cancel, make(chan struct{})
	go func() {
		defer close(f.done)
		for sleep(going, 50*time.Millisecond) == nil {
			// The effect shows whether it works.
			_ = f.takeAll(going)
			_ = f.evict(going)
		}
	}()
	return nil
}

// evict ends the connections of others.
func (f *connectionLeak) evict(ctx context.Context) error {
	f.using.Lock()
	defer f.using.Unlock()
	_, err := f.admin.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND application_name <> 'gatelab-fault'`)
	return err
}

// takeAll connects until there is no connection left.
func (f *connectionLeak) takeAll(ctx context.Context) error {
	const most = 5000 // of any Postgres that a lab starts
	for range most {
		c, err := pgx.Connect(ctx, f.dsn)
		if isState(err, tooManyConnections) {
			return nil
		}
		if err != nil {
			return err
		}
		f.mu.Lock()
		f.held = append(f.held, c)
		f.mu.Unlock()
	}
	return fmt.Errorf("postgres still has connections after %d", most)
}

// Effect is that one more client is refused.
func (f *connectionLeak) Effect(ctx context.Context) error {
	return until(ctx, 20*time.Millisecond, func(ctx context.Context) (bool, string, error) {
		c, err := pgx.Connect(ctx, f.dsn)
		if err == nil {
			_ = c.Close(ctx)
			return false, "a new connection was accepted", nil
		}
		return isState(err, tooManyConnections), "", err
	})
}

func (f *connectionLeak) Recover(ctx context.Context) error {
	if f.cancel != nil {
		f.cancel()
		<-f.done
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.held {
		_ = c.Close(ctx) // the server notices the end either way
	}
	f.held = nil
	return nil
}

func (f *connectionLeak) Recovered(ctx context.Context) error {
	return until(ctx, 20*time.Millisecond, func(ctx context.Context) (bool, string, error) {
		c, err := pgx.Connect(ctx, f.dsn)
		if err != nil {
			return false, "", err
		}
		return true, "", c.Close(ctx)
	})
}

func (f *connectionLeak) Cleanup(ctx context.Context) error { return f.admin.Close(ctx) }
