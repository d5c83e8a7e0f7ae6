package store

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// A gateway that is cut off in the middle of a write must not keep others from writing.
func TestATransactionThatIsAbandonedEnds(t *testing.T) {
	defer func(before time.Duration) { abandoned = before }(abandoned)
	abandoned = 300 * time.Millisecond
	p := open(t, Config{})
	lock := func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "SELECT id FROM current_revision FOR UPDATE")
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	locked, done := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		first <- p.transaction(ctx, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
			err := lock(ctx, tx)
			close(locked)
			<-done // as if no statement reached the server any more
			return err
		})
	}()
	<-locked
	if err := p.transaction(ctx, pgx.TxOptions{}, lock); err != nil {
		t.Errorf("the next one: %v", err)
	}
	close(done)
	if err := <-first; err == nil {
		t.Error("the one that was abandoned was committed")
	}
}

func TestTheLimitOfATransactionIsItsOwn(t *testing.T) {
	p := open(t, Config{})
	const ask = "SELECT current_setting('idle_in_transaction_session_timeout'), current_setting('transaction_isolation'), " +
		"current_setting('transaction_read_only')"
	for want, o := range map[[3]string]pgx.TxOptions{
		{"10s", "read committed", "off"}: {},
		{"10s", "repeatable read", "on"}: {IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly},
	} {
		var got [3]string
		err := p.transaction(t.Context(), o, func(ctx context.Context, tx pgx.Tx) error {
			return tx.QueryRow(ctx, ask).Scan(&got[0], &got[1], &got[2])
		})
		if err != nil || got != want {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
	}
}
