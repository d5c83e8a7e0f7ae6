package sut

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// resetWithin bounds each reset.
const resetWithin = 20 * time.Second

// resetDatabase gives the gateways an empty database: what an earlier stage
// configured must not be there. No gateway may run.
func resetDatabase(ctx context.Context, pg lab.Node) error {
	ctx, cancel := context.WithTimeout(ctx, resetWithin)
	defer cancel()
	conn, err := pgx.Connect(ctx, DSN(pg.HostAddr(topology.PortPostgres), "postgres"))
	if err != nil {
		return fmt.Errorf("reset the database: %w", err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, sql := range []string{
		"DROP DATABASE IF EXISTS " + lab.PostgresDatabase + " WITH (FORCE)",
		"CREATE DATABASE " + lab.PostgresDatabase,
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("reset the database: %w", err)
		}
	}
	return nil
}

// resetRedis removes every key.
func resetRedis(ctx context.Context, node lab.Node) error {
	ctx, cancel := context.WithTimeout(ctx, resetWithin)
	defer cancel()
	rdb := redis.NewClient(&redis.Options{Addr: node.HostAddr(topology.PortRedis)})
	defer rdb.Close()
	if err := rdb.FlushAll(ctx).Err(); err != nil {
		return fmt.Errorf("reset Redis: %w", err)
	}
	return nil
}

// CreateDatabase makes an empty database beside the usual one.
func CreateDatabase(ctx context.Context, pg lab.Node, name string) error {
	ctx, cancel := context.WithTimeout(ctx, resetWithin)
	defer cancel()
	conn, err := pgx.Connect(ctx, DSN(pg.HostAddr(topology.PortPostgres), "postgres"))
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// DSN is where a database of the lab's Postgres is reached at an address.
func DSN(addr, database string) string {
	return fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", lab.PostgresUser, lab.PostgresPassword, addr, database)
}
