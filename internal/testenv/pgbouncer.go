package testenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// PgBouncer starts a pgbouncer in front of the server of dsn, in the given pool
// mode (session, transaction), and returns the DSN of the same database through
// it. It ends with the test binary.
func PgBouncer(tb testing.TB, dsn, mode string) string {
	tb.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	dir, port, err := launchPgBouncer(config, mode)
	if err != nil {
		tb.Fatalf("pgbouncer for tests: %v: run `make deps`", err)
	}
	through := fmt.Sprintf("host=127.0.0.1 port=%d user=%s dbname=%s sslmode=disable", port, config.User, config.Database)
	waitFor(tb, "pgbouncer", dir, func() error {
		conn, err := pgx.Connect(context.Background(), through)
		if err != nil {
			return err
		}
		return conn.Close(context.Background())
	})
	return through
}

func launchPgBouncer(to *pgx.ConnConfig, mode string) (dir string, port int, err error) {
	program, err := find("pgbouncer", "/usr/sbin/pgbouncer", "/opt/homebrew/bin/pgbouncer", "/usr/local/bin/pgbouncer")
	if err != nil {
		return "", 0, err
	}
	cred, err := unprivileged()
	if err != nil {
		return "", 0, err
	}
	if dir, err = workDir("gatelab-pgbouncer-", cred); err != nil {
		return "", 0, err
	}
	if port, err = freePort(); err != nil {
		return "", 0, err
	}
	password := ""
	if to.Password != "" { // an empty one is a syntax error
		password = " password='" + strings.ReplaceAll(to.Password, "'", "''") + "'"
	}
	ini := fmt.Sprintf(`[databases]
%[1]s = host=%[2]s port=%[3]d dbname=%[1]s user=%[4]s%[5]s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %[6]d
auth_type = any
pool_mode = %[7]s
default_pool_size = 20
max_client_conn = 200
unix_socket_dir =
`, to.Database, to.Host, to.Port, to.User, password, port, mode)
	path := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(path, []byte(ini), 0o644); err != nil { //nolint:gosec // read by the unprivileged user
		return "", 0, err
	}
	return dir, port, spawn(dir, cred, program, path)
}
