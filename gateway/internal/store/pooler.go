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

// ErrExecMode says that the connection string asks for a way of sending statements
// that cannot work through a connection pooler. Retrying does not help.
var ErrExecMode = errors.New("pg_dsn: default_query_exec_mode does not work through a connection pooler such as pgbouncer")

// execModes decides how statements are sent: as the connection string says; else
// prepared by name, which is the fastest; or, through a pooler, without prepared
// statements, which the next transaction's server may not have.
type execModes struct {
	fixed  bool // in the connection string
	mode   pgx.QueryExecMode
	pooled atomic.Int32 // what was detected: one of the constants below
}

const (
	pathUnknown = iota
	pathDirect
	pathPooled
)

func newExecModes(dsn string) (*execModes, error) {
	plain, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	parsed, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	_, fixed := plain.RuntimeParams["default_query_exec_mode"]
	return &execModes{fixed: fixed, mode: parsed.DefaultQueryExecMode}, nil
}

// set chooses the mode of a new connection. Whether there is a pooler is detected
// once, with a separate connection.
func (m *execModes) set(ctx context.Context, c *pgx.ConnConfig) error {
	c.DefaultQueryExecMode = m.mode
	if m.fixed {
		return nil
	}
	if m.pooled.Load() == pathUnknown {
		probe := c.Copy()
		probe.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
		conn, err := pgx.ConnectConfig(ctx, probe)
		if err != nil {
			return err
		}
		_, err = m.find(ctx, conn)
		closeConn(ctx, conn)
		if err != nil {
			return err
		}
	}
	if m.pooled.Load() == pathPooled {
		c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	return nil
}

// find detects a pooler: it gives clients process ids other than those of the
// server's processes, so that it can handle cancel requests.
func (m *execModes) find(ctx context.Context, conn *pgx.Conn) (pooled bool, err error) {
	var pid uint32
	if err := conn.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid); err != nil {
		return false, err
	}
	way := int32(pathDirect)
	if pid != conn.PgConn().PID() {
		way = pathPooled
	}
	m.pooled.Store(way)
	return way == pathPooled, nil
}

// check rejects a mode that needs two round trips outside of a transaction where
// the second may reach another server.
func (m *execModes) check(pooled bool) error {
	if m.fixed && pooled && m.mode == pgx.QueryExecModeDescribeExec {
		return fmt.Errorf("%w: %q: want cache_describe, exec or simple_protocol, or none", ErrExecMode, "describe_exec")
	}
	return nil
}

// isPreparedStatementError reports whether code is about a prepared statement that
// another client of the pooler made, or that this server does not have.
func isPreparedStatementError(code string) bool { return code == "26000" || code == "42P05" }

// closeConn closes a connection and waits at most a second for it.
func closeConn(ctx context.Context, c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = c.Close(ctx)
}
