package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gatelab/gatelab/gateway/internal/settings"
)

// postgresTimeout bounds what check --postgres waits for.
const postgresTimeout = 10 * time.Second

// check is the command that prints the settings, which were validated before it
// is called, reads the files that they name, and may connect to Postgres.
func check(inv *invocation) error {
	s := &inv.settings
	inv.table.WriteValues(inv.stdout)
	if _, err := openTokens(s, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	if _, err := openAdminTLS(s, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	for _, file := range []struct{ setting, path string }{
		{"upstream_ca_file", s.UpstreamCAFile}, {"redis_ca_file", s.RedisCAFile},
	} {
		if _, err := readCAs(file.setting, file.path); err != nil {
			return err
		}
	}
	if s.DeclarativeConfig != "" && s.Database == settings.DatabaseOff {
		inv.config.argument = s.DeclarativeConfig
		fmt.Fprintln(inv.stdout)
		if err := configCheck(inv); err != nil {
			return err
		}
	}
	if s.AdminIsOpen() {
		fmt.Fprintf(inv.stdout, "\nWarning: admin_listen=%s: %s\n", s.AdminListen, openAdminWarning)
	}
	if len(s.Ignored) > 0 {
		fmt.Fprintf(inv.stdout, "\nVariables of Kong that are ignored: %s\n", strings.Join(s.Ignored, ", "))
	}
	if !inv.askPostgres {
		return nil
	}
	ctx, cancel := context.WithTimeout(inv.ctx, postgresTimeout)
	defer cancel()
	if err := pingPostgres(ctx, s.PostgresDSN); err != nil {
		return fmt.Errorf("connect to Postgres %s: %w", settings.HidePassword(s.PostgresDSN), err)
	}
	fmt.Fprintln(inv.stdout, "\nPostgres answers")
	return nil
}

func pingPostgres(ctx context.Context, dsn string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	return conn.Ping(ctx)
}
