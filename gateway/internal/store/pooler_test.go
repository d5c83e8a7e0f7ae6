package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/internal/testenv"
)

// everything does once what the gateway does with its database, from twelve
// clients at a time, so that a pooler mixes their transactions.
func everything(t *testing.T, p *Postgres) {
	t.Helper()
	ctx := context.Background()
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			name := fmt.Sprintf("s%d", i)
			svc := insert(t, p, "services", entity.Record{"name": name, "host": "h", "tags": []any{"all", name}})
			ref := map[string]any{"id": svc["id"]}
			for range 3 {
				patch(t, p, "services", name, entity.Record{"retries": int64(3)})
			}
			insert(t, p, "routes", entity.Record{"name": name, "paths": []any{"/" + name}, "service": ref})
			insert(t, p, "plugins", entity.Record{"name": "rate-limiting", "service": ref, "config": map[string]any{"minute": int64(5)}})
			consumer := insert(t, p, "consumers", entity.Record{"username": name})
			insert(t, p, "keyauth_credentials", entity.Record{"key": name, "ttl": int64(1000), "consumer": map[string]any{"id": consumer["id"]}})
			up := insert(t, p, "upstreams", entity.Record{"name": name + ".pool"})
			insert(t, p, "targets", entity.Record{"target": "h:1", "upstream": map[string]any{"id": up["id"]}})
			routes, _ := schemas.ByName("routes")
			list, _, err := p.List(ctx, routes, Query{Foreign: map[string]string{"service": svc["id"].(string)}, Size: 2})
			if err != nil || len(list) != 1 {
				t.Errorf("routes of %s: %v %v", name, list, err)
			}
			services, _ := schemas.ByName("services")
			list, _, err = p.List(ctx, services, Query{Tags: []string{"all", name}, Size: 2})
			if err != nil || len(list) != 1 {
				t.Errorf("services tagged %s: %v %v", name, list, err)
			}
			if r, err := p.Select(ctx, services, name, nil); err != nil || r["retries"] != int64(3) {
				t.Errorf("service %s: %v %v", name, r, err)
			}
			if _, err := p.Snapshot(ctx); err != nil {
				t.Error(err)
			}
			remove(t, p, "consumers", name)
		})
	}
	wg.Wait()
	c, err := p.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Services) != 12 || len(c.Routes) != 12 || len(c.Plugins) != 12 || len(c.Targets) != 12 || len(c.KeyAuths) != 0 ||
		c.Revision != 12*11 {
		t.Errorf("revision %d: %d services, %d routes, %d plugins, %d targets, %d keys",
			c.Revision, len(c.Services), len(c.Routes), len(c.Plugins), len(c.Targets), len(c.KeyAuths))
	}
	if history, err := p.Revisions(ctx, 0, 1000); err != nil || len(history) != 12*11 || history[0].Before["username"] == nil {
		t.Errorf("%d revisions, %v", len(history), err)
	}
}

// logBuffer collects log lines.
type logBuffer struct {
	mu  sync.Mutex
	all strings.Builder
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

func TestEveryWayToSendStatements(t *testing.T) {
	for _, way := range []string{"", "transaction", "session"} {
		for _, mode := range []string{"", "cache_describe", "exec", "simple_protocol"} {
			if way == "session" && mode != "" {
				continue // each server connection is one client's: as without a pooler
			}
			t.Run(strings.Trim(way+" "+mode, " "), func(t *testing.T) {
				dsn := testenv.Postgres(t)
				if way != "" {
					dsn = testenv.PgBouncer(t, dsn, way)
				}
				if mode != "" {
					dsn += " default_query_exec_mode=" + mode
				}
				lines := &logBuffer{}
				p := open(t, Config{DSN: dsn, PollInterval: 200 * time.Millisecond, Log: slog.New(slog.NewTextHandler(lines, nil))})
				ctx, cancel := context.WithCancel(t.Context())
				seen, ended := make(chan int64, 1000), make(chan error, 1)
				texts := make(chan string, 1000)
				go func() { ended <- p.Watch(ctx, func(r int64) { seen <- r }, func(text string) { texts <- text }) }()
				everything(t, p)
				for said, late := false, time.Now().Add(30*time.Second); !said; { // the watcher may only be about to listen
					if err := p.Publish(ctx, "hello"); err != nil {
						t.Fatal(err)
					}
					select {
					case text := <-texts:
						said = text == "hello"
					case <-time.After(time.Second):
						if time.Now().After(late) {
							t.Fatal("a text of another replica is not received")
						}
					}
				}
				for timeout := time.After(30 * time.Second); ; {
					select {
					case r := <-seen:
						if r < 12*11 {
							continue
						}
					case <-timeout:
						t.Error("the watcher never heard of the last revision")
					}
					break
				}
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
				if polls := strings.Count(lines.String(), "passes no notifications on"); polls > 1 || (polls == 1) != (way == "transaction") {
					t.Errorf("said %d times that it polls", polls)
				}
				if strings.Contains(lines.String(), "level=WARN") || strings.Contains(lines.String(), "level=ERROR") {
					t.Errorf("noise:\n%s", lines)
				}
			})
		}
	}
}

func TestAModeThatAPoolerBreaksIsRefusedAtTheStart(t *testing.T) {
	dsn := testenv.PgBouncer(t, testenv.Postgres(t), "transaction") + " default_query_exec_mode=describe_exec"
	p, err := Open(t.Context(), Config{DSN: dsn}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Migrate(t.Context()); !errors.Is(err, ErrExecMode) || !strings.Contains(err.Error(), "cache_describe") {
		t.Errorf("got %v, want advice", err)
	}
}

func TestReplicasMayMigrateAtOnceThroughAPooler(t *testing.T) {
	dsn := testenv.PgBouncer(t, testenv.Postgres(t), "transaction")
	for range 2 { // a lock that is left behind would be met the second time
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				p, err := Open(t.Context(), Config{DSN: dsn}, nil)
				if err != nil {
					t.Error(err)
					return
				}
				defer p.Close()
				if err := p.Migrate(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	p := open(t, Config{DSN: dsn})
	var locks int
	err := p.pool.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").Scan(&locks)
	if err != nil || locks != 0 {
		t.Errorf("%d advisory locks are left behind, %v", locks, err)
	}
}
