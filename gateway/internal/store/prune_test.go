package store

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/internal/testenv"
)

// history is the ids that are left, oldest first.
func history(t *testing.T, p *Postgres) []int64 {
	t.Helper()
	list, err := p.Revisions(context.Background(), 0, 10000)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]int64, len(list))
	for i, r := range list {
		ids[len(list)-1-i] = r.ID
	}
	return ids
}

func consumers(t *testing.T, p *Postgres, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		insert(t, p, "consumers", entity.Record{"username": fmt.Sprintf("u%d", i)})
	}
}

func TestRevisionsArePrunedByNumberAndAge(t *testing.T) {
	p := open(t, Config{})
	ctx := t.Context()
	consumers(t, p, 0, 10)
	for _, c := range []struct {
		name    string
		before  string
		pruning Pruning
		left    string
	}{
		{name: "nothing is too much", pruning: Pruning{Keep: 10, KeepFor: time.Hour}, left: "[1 2 3 4 5 6 7 8 9 10]"},
		{name: "the newest eight", pruning: Pruning{Keep: 8}, left: "[3 4 5 6 7 8 9 10]"},
		{
			name: "those of the last hour", before: "UPDATE revisions SET at = at - interval '2 hours' WHERE id < 6",
			pruning: Pruning{KeepFor: time.Hour}, left: "[6 7 8 9 10]",
		},
		{
			name: "both", before: "UPDATE revisions SET at = at - interval '2 hours' WHERE id < 7",
			pruning: Pruning{Keep: 3, KeepFor: time.Hour}, left: "[8 9 10]",
		},
		{
			name: "the newest stays, however old", before: "UPDATE revisions SET at = at - interval '2 hours'",
			pruning: Pruning{Keep: 1, KeepFor: time.Hour}, left: "[10]",
		},
	} {
		if c.before != "" {
			exec(t, p, c.before)
		}
		if _, err := p.pruneAll(ctx, c.pruning); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(history(t, p)); got != c.left {
			t.Errorf("%s: left are %s, want %s", c.name, got, c.left)
		}
	}
}

func TestAReplicaThatLagsBehindPrunedRevisionsReadsAll(t *testing.T) {
	p := open(t, Config{})
	lagging, err := Open(context.Background(), Config{DSN: p.config.DSN, AcquireTimeout: 30 * time.Second}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer lagging.Close()
	for _, keep := range []int{5, 4, 3, 2, 1} { // with the known one just left, and with later ones gone
		consumers(t, p, keep*10, keep*10+1)
		sees(t, lagging, "before")
		known := lagging.cached.config.Revision
		consumers(t, p, keep*10+1, keep*10+5)
		// By hand, so that it shows what was read.
		exec(t, p, `UPDATE consumers SET body = jsonb_set(body, '{custom_id}', to_jsonb(clock_timestamp()::text)) WHERE username = $1`,
			fmt.Sprintf("u%d", keep*10))
		if _, err := p.pruneAll(t.Context(), Pruning{Keep: keep}); err != nil {
			t.Fatal(err)
		}
		whole := lagging.cached.readAt
		if keep == 5 { // what it knows is still there: it goes on from there
			if c, err := lagging.Snapshot(t.Context()); err != nil || len(c.Consumers) != 5 || !lagging.cached.readAt.Equal(whole) {
				t.Errorf("all was read though nothing was missing: %v", err)
			}
			lagging.cached = nil
			continue
		}
		sees(t, lagging, fmt.Sprintf("%d are left, revision %d was known", keep, known))
		if lagging.cached.readAt.Equal(whole) {
			t.Errorf("with %d revisions left, not all was read", keep)
		}
	}
}

func TestALongHistoryIsPrunedInBatchesBesideWriters(t *testing.T) {
	p := open(t, Config{MaxConns: 8})
	consumers(t, p, 0, 1)
	exec(t, p, `INSERT INTO revisions (id, actor, entity, entity_id, operation)
		SELECT n, 'a', 'consumers', gen_random_uuid(), 'update' FROM generate_series(2, 2500) n`)
	exec(t, p, "UPDATE current_revision SET id = 2500")
	var wg sync.WaitGroup
	var mu sync.Mutex
	most, total := int64(0), int64(0)
	for range 3 { // replicas: one at a time prunes
		wg.Go(func() {
			for range 10 {
				n, err := p.prune(context.Background(), Pruning{Keep: 100})
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				most, total = max(most, n), total+n
				mu.Unlock()
			}
		})
	}
	wg.Go(func() { consumers(t, p, 1, 20) })
	wg.Wait()
	n, err := p.pruneAll(context.Background(), Pruning{Keep: 100})
	if err != nil {
		t.Fatal(err)
	}
	if most > pruneBatch || total+n != 2500+19-100 || len(history(t, p)) != 100 {
		t.Errorf("removed %d, %d at a time at most; %d are left", total+n, most, len(history(t, p)))
	}
}

func TestPruningGoesOnByItself(t *testing.T) {
	p := open(t, Config{DSN: testenv.Postgres(t)})
	consumers(t, p, 0, 5)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Prune(ctx, Pruning{Keep: 2, Every: time.Millisecond}) }()
	for deadline := time.Now().Add(30 * time.Second); len(history(t, p)) != 2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("left are %v", history(t, p))
		}
	}
	consumers(t, p, 5, 8)
	for deadline := time.Now().Add(30 * time.Second); fmt.Sprint(history(t, p)) != "[7 8]"; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("left are %v", history(t, p))
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
