package scale

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// PostgresOptions say how to measure Postgres' notifications.
type PostgresOptions struct {
	session.Config
	Watchers []int // numbers of clients that LISTEN
	Changes  int   // that are measured with each number
}

// Bounds of the options, for their errors.
const (
	maxWatchers = 5000
	maxChanges  = 1000
)

// spare connections: the one that changes, and those of the lab.
const spare = 20

func (o PostgresOptions) validate() error {
	if len(o.Watchers) == 0 {
		return errors.New("watchers: want at least one number")
	}
	for _, n := range o.Watchers {
		if n < 1 || n > maxWatchers {
			return fmt.Errorf("watchers: %d is not allowed: want 1 to %d", n, maxWatchers)
		}
	}
	if o.Changes < 1 || o.Changes > maxChanges {
		return fmt.Errorf("changes: %d is not allowed: want 1 to %d", o.Changes, maxChanges)
	}
	return nil
}

// Postgres measures how long a change takes to reach all clients that LISTEN, and what it costs, for several numbers of them. The lab is
// always removed.
func Postgres(ctx context.Context, o PostgresOptions) (*session.Outcome, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	return session.Run(ctx, o.Config, session.Plan{
		Name: "scale-postgres",
		Topology: topology.Topology{
			Roles: []string{topology.RolePostgres, topology.RoleWorker}, Connections: slices.Max(o.Watchers) + spare,
		},
	}, session.Program{
		Measure: o.measure,
		Complete: func(s *session.Session) error {
			if s.Result.Scale == nil || len(s.Result.Scale.Fanout) == 0 {
				return errors.New("no number of watchers was measured")
			}
			return nil
		},
	})
}

func (o PostgresOptions) measure(ctx context.Context, s *session.Session) error {
	node, ok := s.Lab.Node(topology.RolePostgres)
	if !ok {
		return errors.New("the lab has no postgres")
	}
	dsn := fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", lab.PostgresUser, lab.PostgresPassword,
		node.HostAddr(topology.PortPostgres), lab.PostgresDatabase)
	if err := execute(ctx, dsn, makeTable); err != nil {
		return err
	}
	s.Result.Scale = &result.Scale{}
	for _, n := range o.Watchers {
		if err := o.number(ctx, s, node, dsn, n); err != nil {
			return fmt.Errorf("%d watchers: %w", n, err)
		}
	}
	return nil
}

// number measures one number of watchers, without and with a read of each change.
func (o PostgresOptions) number(ctx context.Context, s *session.Session, node lab.Node, dsn string, n int) error {
	defer s.Stage(fmt.Sprintf("watchers-%d", n))()
	for _, reads := range []bool{false, true} {
		one, err := watched(ctx, node, dsn, n, reads, o.Changes)
		if err == nil {
			err = gone(ctx, dsn)
		}
		if err != nil {
			return err
		}
		s.Result.Scale.Fanout = append(s.Result.Scale.Fanout, one)
		does := "are told"
		if reads {
			does = "are told and read"
		}
		s.Step("%d watchers %s: the last one after %.1f ms (median of %d changes), %.1f ms of Postgres' CPU time for each",
			n, does, one.LastMS.Median, one.Changes, one.PostgresMS)
	}
	return nil
}

// watched measures one number of watchers.
func watched(ctx context.Context, node lab.Node, dsn string, n int, reads bool, changes int) (result.Fanout, error) {
	w, err := watch(ctx, dsn, n, reads)
	if err != nil {
		return result.Fanout{}, err
	}
	defer w.close()
	var m *meter
	out, err := fanout(ctx, dsn, w, changes, func() (err error) { m, err = begin(ctx, node); return err })
	if err != nil {
		return out, err
	}
	out.Watchers, out.Reads = n, reads
	s, err := m.end(ctx)
	if err != nil {
		return out, err
	}
	out.PostgresMS, out.ClientMS = inMS(s.node)/float64(changes), inMS(s.own)/float64(changes)
	out.MachineBusy = s.busy
	if s.memory > 0 {
		out.MemoryMiB = new(float64(s.memory) / (1 << 20))
	}
	return out, nil
}

// goneWithin is how long the server's processes of closed connections may take to end: a thousand on a busy machine take seconds.
const goneWithin = time.Minute

// gone waits until the server's processes of all watchers have ended. They would cost the next measurement time, and the lab its removal.
func gone(ctx context.Context, dsn string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, goneWithin)
	defer cancel()
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close(context.WithoutCancel(ctx))) }()
	const count = "SELECT count(*) FROM pg_stat_activity" +
		" WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
	for {
		var n int
		if err := c.QueryRow(ctx, count).Scan(&n); err != nil {
			return fmt.Errorf("wait for the end of %d connections: %w", n, err)
		}
		if n == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d connections have not ended: %w", n, context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

func execute(ctx context.Context, dsn, sql string) (err error) {
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close(context.WithoutCancel(ctx))) }()
	_, err = c.Exec(ctx, sql)
	return err
}
