package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin/all"
	"github.com/gatelab/gatelab/internal/testenv"
)

// schemas are those of the whole gateway.
var schemas = all.Plugins().Catalog()

func open(t *testing.T, c Config) *Postgres {
	t.Helper()
	if c.DSN == "" {
		c.DSN = testenv.Postgres(t)
	}
	if c.AcquireTimeout == 0 {
		c.AcquireTimeout = 30 * time.Second // connecting takes part of it, and long on a busy machine
	}
	p, err := Open(context.Background(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	if err := p.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}
	return p
}

func made(t *testing.T, schema string, in entity.Record) (*entity.Schema, entity.Record) {
	t.Helper()
	s, ok := schemas.ByName(schema)
	if !ok {
		t.Fatalf("no schema %s", schema)
	}
	r, err := s.ProcessInsert(in, time.Now(), "")
	if err != nil {
		t.Fatal(err)
	}
	return s, r
}

func insert(t *testing.T, p *Postgres, schema string, in entity.Record) entity.Record {
	t.Helper()
	s, r := made(t, schema, in)
	if err := p.Insert(context.Background(), s, r, "tester"); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReplicasMayMigrateAtOnce(t *testing.T) {
	dsn := testenv.Postgres(t)
	var wg sync.WaitGroup
	for range 3 {
		p, err := Open(context.Background(), Config{DSN: dsn}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		wg.Go(func() {
			if err := p.Migrate(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestConstraintsAnswerAsKongDoes(t *testing.T) {
	p, ctx := open(t, Config{}), context.Background()
	svc := insert(t, p, "services", entity.Record{"name": "s", "host": "h"})
	ref := map[string]any{"id": svc["id"]}
	insert(t, p, "routes", entity.Record{"name": "r", "paths": []any{"/"}, "service": ref})
	insert(t, p, "plugins", entity.Record{"name": "key-auth", "service": ref})
	services, _ := schemas.ByName("services")
	for _, c := range []struct {
		name string
		do   func() error
		code int
		msg  string
	}{
		{
			name: "a name twice",
			do: func() error {
				s, r := made(t, "services", entity.Record{"name": "s", "host": "x"})
				return p.Insert(ctx, s, r, "")
			},
			code: 5, msg: `UNIQUE violation detected on '{name="s"}'`,
		},
		{
			name: "a reference to nothing",
			do: func() error {
				s, r := made(t, "routes", entity.Record{"paths": []any{"/"}, "service": map[string]any{"id": "00000000-0000-4000-8000-000000000000"}})
				return p.Insert(ctx, s, r, "")
			},
			code: 4,
			msg:  `the foreign key '{id="00000000-0000-4000-8000-000000000000"}' does not reference an existing 'services' entity.`,
		},
		{
			name: "deleting a service in use", do: func() error { return p.Delete(ctx, services, "s", nil, "") }, code: 4,
			msg: "an existing 'routes' entity references this 'services' entity",
		},
		{
			name: "the same plugin at the same place",
			do: func() error {
				s, r := made(t, "plugins", entity.Record{"name": "key-auth", "service": ref})
				return p.Insert(ctx, s, r, "")
			},
			code: 5,
		},
	} {
		var e *entity.Error
		if err := c.do(); !errors.As(err, &e) || e.Code != c.code || c.msg != "" && e.Message != c.msg {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	routes, _ := schemas.ByName("routes")
	if err := p.Delete(ctx, routes, "r", nil, ""); err != nil {
		t.Fatal(err)
	}
	if err := p.Delete(ctx, services, "s", nil, ""); err != nil {
		t.Fatal(err)
	}
	cfg, err := p.Snapshot(ctx)
	if err != nil || len(cfg.Plugins) != 0 {
		t.Errorf("the service's plugin is still there: %v %v", cfg, err)
	}
}

func TestListsPageInOrder(t *testing.T) {
	p, ctx := open(t, Config{}), context.Background()
	for i := range 7 {
		tags := []any{"all"}
		if i%2 == 0 {
			tags = append(tags, "even")
		}
		insert(t, p, "consumers", entity.Record{"username": fmt.Sprintf("u%d", i), "tags": tags})
	}
	s, _ := schemas.ByName("consumers")
	var seen []any
	after := int64(0)
	for pages := 0; pages < 5; pages++ {
		list, next, err := p.List(ctx, s, Query{Size: 3, After: after})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			seen = append(seen, r["username"])
		}
		if after = next; next == 0 {
			break
		}
	}
	if fmt.Sprint(seen) != "[u0 u1 u2 u3 u4 u5 u6]" {
		t.Errorf("saw %v", seen)
	}
	and, _, err := p.List(ctx, s, Query{Size: 10, Tags: []string{"all", "even"}})
	or, _, err2 := p.List(ctx, s, Query{Size: 10, Tags: []string{"even", "none"}, AnyTag: true})
	if err != nil || err2 != nil || len(and) != 4 || len(or) != 4 {
		t.Errorf("by tags: %d and %d, %v %v", len(and), len(or), err, err2)
	}
}

func TestRevisionsHaveNoGapsAndWatchersMissNone(t *testing.T) {
	p := open(t, Config{PollInterval: time.Minute, MaxConns: 8})
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	var told []int64
	first := make(chan struct{})
	watched := make(chan error, 1)
	go func() {
		watched <- p.Watch(ctx, func(r int64) {
			mu.Lock()
			told = append(told, r)
			mu.Unlock()
			if r == 0 {
				close(first)
			}
		}, func(string) {})
	}()
	<-first
	const writers, each = 8, 10
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				s, r := made(t, "consumers", entity.Record{"username": fmt.Sprintf("w%d-%d", w, i)})
				if err := p.Insert(ctx, s, r, fmt.Sprintf("writer %d", w)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		mu.Lock()
		last := told[len(told)-1]
		mu.Unlock()
		if last == writers*each {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the watcher heard of %d, the newest is %d", last, writers*each)
		}
	}
	cancel()
	if err := <-watched; err != nil {
		t.Error(err)
	}
	for i := 1; i < len(told); i++ {
		if told[i] <= told[i-1] {
			t.Fatalf("revisions went back: %v", told)
		}
	}
	all, err := p.Revisions(context.Background(), 0, 1000)
	if err != nil || len(all) != writers*each {
		t.Fatalf("%d revisions, %v", len(all), err)
	}
	for i, r := range all {
		if r.ID != int64(writers*each-i) || r.Operation != "insert" || r.Actor == "" || r.After["username"] == nil {
			t.Fatalf("revision %d is %+v", i, r)
		}
	}
}

func TestAFullPoolAnswersInsteadOfHanging(t *testing.T) {
	p := open(t, Config{MaxConns: 1, AcquireTimeout: time.Second}) // must do for the last reading, too
	ctx := context.Background()
	c, err := p.pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Revision(ctx); !errors.Is(err, ErrPoolExhausted) {
		t.Errorf("got %v", err)
	}
	c.Release()
	if r, err := p.Revision(ctx); err != nil || r != 0 {
		t.Errorf("got %d %v", r, err)
	}
}

func TestASnapshotIsWhole(t *testing.T) {
	p, ctx := open(t, Config{}), context.Background()
	svc := insert(t, p, "services", entity.Record{"name": "s", "host": "h", "port": int64(9000)})
	insert(t, p, "routes", entity.Record{"paths": []any{"/ai"}, "service": map[string]any{"id": svc["id"]}})
	con := insert(t, p, "consumers", entity.Record{"username": "u"})
	insert(t, p, "keyauth_credentials", entity.Record{"key": "k", "consumer": map[string]any{"id": con["id"]}})
	up := insert(t, p, "upstreams", entity.Record{"name": "u.pool"})
	insert(t, p, "targets", entity.Record{"target": "h:1", "upstream": map[string]any{"id": up["id"]}})
	insert(t, p, "plugins", entity.Record{"name": "rate-limiting", "config": map[string]any{"minute": int64(5)}})
	c, err := p.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if c.Revision != 7 || c.Services[0].Port != 9000 || c.Routes[0].Service.ID != svc["id"] || c.KeyAuths[0].Key != "k" ||
		c.Targets[0].Weight != 100 || c.Plugins[0].Config["minute"] != 5.0 || c.Upstreams[0].Algorithm != "round-robin" {
		t.Errorf("snapshot is %+v", c)
	}
}

func TestModifySeesTheOldAndKeepsItOnAnError(t *testing.T) {
	p, ctx := open(t, Config{}), context.Background()
	insert(t, p, "services", entity.Record{"name": "s", "host": "h"})
	s, _ := schemas.ByName("services")
	refused := errors.New("refused")
	if _, _, err := p.Modify(ctx, s, "s", nil, "", func(entity.Record) (entity.Record, error) { return nil, refused }); err == nil {
		t.Error("the error was lost")
	}
	got, isNew, err := p.Modify(ctx, s, "s", nil, "me", func(old entity.Record) (entity.Record, error) {
		return s.ProcessUpdate(old, entity.Record{"host": "h2"}, time.Now())
	})
	if err != nil || isNew || got["host"] != "h2" {
		t.Errorf("got %v %v %v", got, isNew, err)
	}
	if r, err := p.Select(ctx, s, "s", nil); err != nil || r["host"] != "h2" {
		t.Errorf("stored is %v %v", r, err)
	}
}
