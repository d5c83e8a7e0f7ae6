package main

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/gatelab/gatelab/gateway/internal/store"
	"github.com/gatelab/gatelab/internal/testenv"
)

// TestAnUnreadableRowKeepsNoGatewayFromStarting: the Admin API is what repairs it.
func TestAnUnreadableRowKeepsNoGatewayFromStarting(t *testing.T) {
	ctx, dsn := context.Background(), testenv.Postgres(t)
	db, err := store.Open(ctx, store.Config{DSN: dsn}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	const unreadable = `INSERT INTO routes (id, body) VALUES (gen_random_uuid(), '{"paths":["/"],"regex_priority":1e20}')`
	if _, err := conn.Exec(ctx, unreadable); err != nil {
		t.Fatal(err)
	}
	s, err := load([]string{"--proxy-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--status-listen=127.0.0.1:0",
		"--pg-dsn=" + dsn, "--pg-start-timeout=1ms"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newProgram(s, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.start(ctx); err != nil {
		t.Fatal(err)
	}
	if r := p.proxy.Revision(); r >= 0 {
		t.Errorf("revision %d is served", r)
	}
	var refused float64
	if families, err := p.metrics.Gather(); err != nil {
		t.Error(err)
	} else {
		for _, f := range families {
			if f.GetName() == "gateway_config_apply_errors_total" {
				refused = f.GetMetric()[0].GetCounter().GetValue()
			}
		}
	}
	if refused != 1 {
		t.Errorf("%v rejections are counted, want 1", refused)
	}
	if _, err := conn.Exec(ctx, "DELETE FROM routes"); err != nil {
		t.Fatal(err)
	}
	if reason := p.readiness.Reason(); !strings.Contains(reason, "rejected") {
		t.Errorf("the replica is not ready because: %q", reason)
	}
	if err := p.reloader.Load(ctx); err != nil {
		t.Fatal(err)
	}
	if r := p.proxy.Revision(); r < 0 {
		t.Error("repaired, and still nothing is served")
	}
}
