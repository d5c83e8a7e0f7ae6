package runner

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"gatelab/harness/internal/lab"
)

// resetWithin bounds each reset.
const resetWithin = 20 * time.Second

// resetDatabase gives the gateways an empty database: what an earlier stage
// configured must not be there. No gateway may run.
func resetDatabase(ctx context.Context, pg lab.Node) error {
	ctx, cancel := context.WithTimeout(ctx, resetWithin)
	defer cancel()
	dsn := fmt.Sprintf("postgres://%s:%s@%s/postgres?sslmode=disable", lab.PostgresUser, lab.PostgresPassword, pg.HostAddr(lab.PortPostgres))
	conn, err := pgx.Connect(ctx, dsn)
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
	rdb := redis.NewClient(&redis.Options{Addr: node.HostAddr(lab.PortRedis)})
	defer rdb.Close()
	if err := rdb.FlushAll(ctx).Err(); err != nil {
		return fmt.Errorf("reset Redis: %w", err)
	}
	return nil
}

// resetOrigin sets the origin's counters to zero.
func resetOrigin(ctx context.Context, node lab.Node) error {
	ctx, cancel := context.WithTimeout(ctx, resetWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+node.HostAddr(lab.PortOrigin)+"/reset", http.NoBody)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("reset the origin: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		return fmt.Errorf("reset the origin: status %d", res.StatusCode)
	}
	return nil
}
