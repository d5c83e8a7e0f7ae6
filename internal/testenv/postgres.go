package testenv

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

var (
	pgOnce sync.Once
	pgBase string // DSN of the maintenance database
	pgErr  error
	pgDir  string
	pgSeq  atomic.Int64
)

// Postgres returns the DSN of a new, empty database on the test binary's
// server. The database is dropped when tb ends.
func Postgres(tb testing.TB) string {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs PostgreSQL, and -short asks for tests without servers: run make test")
	}
	pgOnce.Do(startPostgres)
	if pgErr != nil {
		tb.Fatalf("PostgreSQL for tests: %v: "+hint, pgErr, "GATELAB_TEST_POSTGRES")
	}
	ctx := context.Background()
	var conn *pgx.Conn
	waitFor(tb, "PostgreSQL", pgDir, func() (err error) {
		conn, err = pgx.Connect(ctx, pgBase)
		return err
	})
	name := fmt.Sprintf("t%d_%d", os.Getpid(), pgSeq.Add(1))
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		tb.Fatalf("create test database: %v", err)
	}
	tb.Cleanup(func() {
		_, _ = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		_ = conn.Close(ctx)
	})
	return strings.Replace(pgBase, "dbname=postgres", "dbname="+name, 1)
}

func startPostgres() {
	if dsn := os.Getenv("GATELAB_TEST_POSTGRES"); dsn != "" {
		pgBase = dsn // key=value form with dbname=postgres
		return
	}
	pgBase, pgErr = launchPostgres()
}

func launchPostgres() (string, error) {
	server, err := find("postgres", "/usr/lib/postgresql/*/bin/postgres",
		"/opt/homebrew/opt/postgresql*/bin/postgres", "/usr/local/opt/postgresql*/bin/postgres")
	if err != nil {
		return "", err
	}
	// initdb lies beside the real program, not beside a link to it.
	if real, err := filepath.EvalSymlinks(server); err == nil {
		server = real
	}
	cred, err := unprivileged()
	if err != nil {
		return "", err
	}
	if pgDir, err = workDir("gatelab-pg-", cred); err != nil {
		return "", err
	}
	data := filepath.Join(pgDir, "data")
	initdb := exec.Command(filepath.Join(filepath.Dir(server), "initdb"),
		"-D", data, "-U", "postgres", "-A", "trust", "-N", "--locale=C", "-E", "UTF8")
	initdb.Dir = pgDir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w\n%s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	// Durability is off: a test's data is worth nothing after the test.
	err = spawn(pgDir, cred, server, "-D", data, "-p", fmt.Sprint(port), "-k", pgDir,
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
		"-c", "max_connections=200")
	return fmt.Sprintf("host=127.0.0.1 port=%d user=postgres dbname=postgres sslmode=disable", port), err
}
