package store

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrExecMode says that the connection string asks for a way to send statements
// that cannot work through the connection pooler on the way to Postgres. Asking
// again does not help.
var ErrExecMode = errors.New("pg_dsn: default_query_exec_mode does not work through a connection pooler such as pgbouncer")

// modes is how statements are sent: as the connection string says, else
// prepared by name, which is the fastest, or, through a pooler, without a
// prepared statement that the next transaction's server may not know.
type modes struct {
	named  bool // in the connection string
	mode   pgx.QueryExecMode
	pooled atomic.Int32 // what was found on the way, see the constants
}

const (
	wayUnknown = iota
	wayDirect
	wayPooled
)

func newModes(dsn string) (*modes, error) {
	plain, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	parsed, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	_, named := plain.RuntimeParams["default_query_exec_mode"]
	return &modes{named: named, mode: parsed.DefaultQueryExecMode}, nil
}

// set chooses the mode of a connection that is about to be made. What is on the
// way is found out once, with a connection of its own.
func (m *modes) set(ctx context.Context, c *pgx.ConnConfig) error {
	c.DefaultQueryExecMode = m.mode
	if m.named {
		return nil
	}
	if m.pooled.Load() == wayUnknown {
		probe := c.Copy()
		probe.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
		conn, err := pgx.ConnectConfig(ctx, probe)
		if err != nil {
			return err
		}
		_, err = m.find(ctx, conn)
		shut(ctx, conn)
		if err != nil {
			return err
		}
	}
	if m.pooled.Load() == wayPooled {
		c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	return nil
}

// find tells whether a pooler is on the way: it gives clients process ids that
// are not those of the server's processes, so that it can take cancel requests.
func (m *modes) find(ctx context.Context, conn *pgx.Conn) (pooled bool, err error) {
	var pid uint32
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid); err != nil {
		return false, err
	}
	way := int32(wayDirect)
	if pid != conn.PgConn().PID() {
		way = wayPooled
	}
	m.pooled.Store(way)
	return way == wayPooled, nil
}

// check refuses a mode that takes two round trips outside of a transaction where
// the second may reach another server.
func (m *modes) check(pooled bool) error {
	if m.named && pooled && m.mode == pgx.QueryExecModeDescribeExec {
		return fmt.Errorf("%w: %q: want cache_describe, exec or simple_protocol, or none", ErrExecMode, "describe_exec")
	}
	return nil
}

// misprepared tells the errors of a prepared statement that another client of
// the pooler made, or that this server never heard of.
func misprepared(code string) bool { return code == "26000" || code == "42P05" }

// shut closes a connection, and does not wait long for it.
func shut(ctx context.Context, c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = c.Close(ctx)
}
