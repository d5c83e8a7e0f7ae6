package fault

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gatelab/gatelab/internal/testenv"
)

// A statement that is cut short, as Ctrl-C does while the effect is awaited,
// takes its connection along. The disk must be emptied all the same.
func TestAFullDiskIsEmptiedAfterItsConnectionIsGone(t *testing.T) {
	dsn := testenv.Postgres(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	f := &fullDisk{base: base{KindDiskFull, "postgres"}, dsn: dsn, made: true, filled: true}
	if err := f.connect(ctx); err != nil {
		t.Fatal(err)
	}
	// A tablespace among the server's own files stands for the small disk.
	if err := f.all(ctx, "SET allow_in_place_tablespaces = on", "CREATE TABLESPACE gatelab_small LOCATION ''", makeFiller); err != nil {
		t.Skipf("this server has no tablespaces in place: %v", err)
	}
	short, stop := context.WithTimeout(ctx, 100*time.Millisecond)
	defer stop()
	if _, err := f.conn.Exec(short, "SELECT pg_sleep(60)"); err == nil || !f.conn.IsClosed() {
		t.Fatalf("the connection lives on after a statement that was cut short: %v", err)
	}
	if err := f.Recover(ctx); err != nil {
		t.Errorf("recover: %v", err)
	}
	if err := f.conn.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := f.Cleanup(ctx); err != nil {
		t.Errorf("clean up: %v", err)
	}
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	var left int
	if err := c.QueryRow(ctx, "SELECT count(*) FROM pg_tablespace WHERE spcname = 'gatelab_small'").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d small disks are left, %v", left, err)
	}
	if err := f.Cleanup(ctx); err != nil {
		t.Errorf("where nothing is left: %v", err)
	}
}
