package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/internal/testenv"
)

// sees reads the configuration as p keeps it up to date, and compares it with what
// a new reader gets.
func sees(t *testing.T, p *Postgres, why string) *entity.Config {
	t.Helper()
	got, err := p.Snapshot(context.Background())
	if err != nil {
		t.Fatalf("%s: %v", why, err)
	}
	other, err := Open(context.Background(), Config{
		DSN: p.config.DSN, MaxConns: 1, AcquireTimeout: 30 * time.Second, Schemas: p.config.Schemas,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	want, err := other.Snapshot(context.Background())
	if err != nil {
		t.Fatalf("%s: %v", why, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n got %+v\nwant %+v", why, got, want)
	}
	return got
}

// patch changes an entity as the Admin API does.
func patch(t *testing.T, p *Postgres, table, key string, change entity.Record) {
	t.Helper()
	s, _ := schemas.ByName(table)
	if _, _, err := p.Modify(context.Background(), s, key, nil, "tester", func(old entity.Record) (entity.Record, error) {
		return s.ProcessUpdate(old, change, time.Now())
	}); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, p *Postgres, table, key string) {
	t.Helper()
	s, _ := schemas.ByName(table)
	if err := p.Delete(context.Background(), s, key, nil, "tester"); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyWhatChangedIsReadAgain(t *testing.T) {
	p := open(t, Config{})
	insert(t, p, "services", entity.Record{"name": "s", "host": "h"})
	insert(t, p, "consumers", entity.Record{"username": "a"})
	insert(t, p, "consumers", entity.Record{"username": "b"})
	first := sees(t, p, "at first")
	insert(t, p, "consumers", entity.Record{"username": "c"})
	patch(t, p, "consumers", "a", entity.Record{"username": "a2"})
	second := sees(t, p, "a consumer more, and one changed")
	if &first.Services[0] != &second.Services[0] {
		t.Error("services were read again")
	}
	if first.Consumers[0].Username != "a" || len(first.Consumers) != 2 {
		t.Errorf("the configuration in use was changed: %+v", first.Consumers)
	}
	if got := second.Consumers; len(got) != 3 || got[0].Username != "a2" || got[2].Username != "c" {
		t.Errorf("got %+v", got)
	}
}

// A deletion takes with it what hangs on it, which is not read anew either.
func TestDeletionsAreCarriedOn(t *testing.T) {
	p := open(t, Config{Schemas: schemas})
	service := insert(t, p, "services", entity.Record{"name": "s", "host": "h"})
	var consumers []entity.Record
	for _, name := range []string{"a", "b", "c"} {
		c := insert(t, p, "consumers", entity.Record{"username": name})
		consumers = append(consumers, c)
		of := map[string]any{"id": c["id"]}
		insert(t, p, "keyauth_credentials", entity.Record{"key": "k-" + name, "consumer": of})
		insert(t, p, "acls", entity.Record{"group": "g", "consumer": of})
		insert(t, p, "plugins", entity.Record{"name": "rate-limiting", "consumer": of, "config": map[string]any{"minute": int64(5)}})
	}
	u := insert(t, p, "upstreams", entity.Record{"name": "pool"})
	insert(t, p, "targets", entity.Record{"target": "10.0.0.1:80", "upstream": map[string]any{"id": u["id"]}})
	insert(t, p, "plugins", entity.Record{"name": "key-auth", "service": map[string]any{"id": service["id"]}})
	first := sees(t, p, "at first")
	remove(t, p, "consumers", "b")
	remove(t, p, "upstreams", "pool")
	got := sees(t, p, "without a consumer and an upstream")
	if len(got.Consumers) != 2 || len(got.KeyAuths) != 2 || len(got.ACLs) != 2 || len(got.Plugins) != 3 || len(got.Targets) != 0 {
		t.Errorf("left: %+v", got)
	}
	if &first.Services[0] != &got.Services[0] {
		t.Error("services were read again")
	}
	remove(t, p, "services", "s")
	if got = sees(t, p, "without a service"); len(got.Plugins) != 2 || len(got.Services) != 0 {
		t.Errorf("left: %+v", got)
	}
	// The same id again, behind the others.
	id := fmt.Sprint(consumers[0]["id"])
	remove(t, p, "consumers", id)
	insert(t, p, "consumers", entity.Record{"id": id, "username": "again"})
	insert(t, p, "keyauth_credentials", entity.Record{"key": "new", "consumer": map[string]any{"id": id}})
	if got = sees(t, p, "with a new entity of an old id"); len(got.KeyAuths) != 2 || got.Consumers[1].Username != "again" {
		t.Errorf("got %+v", got)
	}
}

// Replicas of older versions wrote no revisions of what a deletion took along.
func TestOrphansOfOlderReplicasAreDropped(t *testing.T) {
	p := open(t, Config{Schemas: schemas})
	c := insert(t, p, "consumers", entity.Record{"username": "u"})
	insert(t, p, "keyauth_credentials", entity.Record{"key": "k", "consumer": map[string]any{"id": c["id"]}})
	insert(t, p, "consumers", entity.Record{"username": "other"})
	first := sees(t, p, "at first")
	remove(t, p, "consumers", "u")
	exec(t, p, `UPDATE revisions SET entity = 'consumers', entity_id = $1
		WHERE entity = 'keyauth_credentials' AND operation = 'delete'`, c["id"])
	if got := sees(t, p, "without it"); len(got.KeyAuths) != 0 || len(got.Consumers) != 1 || got == first {
		t.Errorf("left: %+v", got)
	}
}

func TestWhatHasNoRevisionIsReadInTheEnd(t *testing.T) {
	p := open(t, Config{})
	insert(t, p, "consumers", entity.Record{"username": "u"})
	sees(t, p, "at first")
	byHand := func() {
		exec(t, p, `UPDATE consumers SET body = jsonb_set(body, '{custom_id}', to_jsonb(clock_timestamp()::text)) WHERE username = 'u'`)
	}
	byHand()
	sees(t, p, "asked without a new revision")
	byHand()
	insert(t, p, "consumers", entity.Record{"username": "v"})
	p.cached.readAt = time.Now().Add(-fullReadEvery - time.Second)
	sees(t, p, "after a while")
	byHand()
	exec(t, p, "UPDATE revisions SET at = at - interval '1 second' WHERE id = $1", p.cached.config.Revision)
	insert(t, p, "consumers", entity.Record{"username": "w"})
	sees(t, p, "in another database that has come as far")
	byHand()
	exec(t, p, "UPDATE current_revision SET id = id + 5") // revisions that were thrown away
	insert(t, p, "consumers", entity.Record{"username": "x"})
	sees(t, p, "with revisions missing")
}

func TestACredentialThatEndedIsNotCarriedOn(t *testing.T) {
	p := open(t, Config{})
	c := insert(t, p, "consumers", entity.Record{"username": "u"})
	insert(t, p, "keyauth_credentials", entity.Record{"key": "k", "consumer": map[string]any{"id": c["id"]}})
	sees(t, p, "at first")
	patch(t, p, "keyauth_credentials", "k", entity.Record{"ttl": int64(1000)})
	if got := sees(t, p, "with an end"); got.KeyAuths[0].ExpiresAt == 0 {
		t.Errorf("no end: %+v", got.KeyAuths)
	}
	patch(t, p, "keyauth_credentials", "k", entity.Record{"tags": []any{"x"}})
	exec(t, p, "UPDATE keyauth_credentials SET expires_at = now() - interval '1 second'")
	if got := sees(t, p, "ended"); len(got.KeyAuths) != 0 {
		t.Errorf("still there: %+v", got.KeyAuths)
	}
}

func TestAnUnreadableChangeIsAnErrorUntilItIsMended(t *testing.T) {
	p := open(t, Config{})
	insert(t, p, "routes", entity.Record{"name": "r", "paths": []any{"/"}})
	sees(t, p, "at first")
	patch(t, p, "routes", "r", entity.Record{"paths": []any{"/b"}})
	exec(t, p, `UPDATE routes SET body = jsonb_set(body, '{regex_priority}', '1e20')`)
	for range 2 {
		if _, err := p.Snapshot(context.Background()); err == nil {
			t.Fatal("it was read")
		}
	}
	patch(t, p, "routes", "r", entity.Record{"regex_priority": int64(1)})
	sees(t, p, "mended")
}

// TestAnyHistoryIsFollowed carries on over what many random changes leave.
func TestAnyHistoryIsFollowed(t *testing.T) {
	p := open(t, Config{})
	random := rand.New(rand.NewPCG(7, 1)) //nolint:gosec // repeatable
	names := map[string][]string{}
	one := func(table string) (string, bool) {
		if len(names[table]) == 0 {
			return "", false
		}
		return names[table][random.IntN(len(names[table]))], true
	}
	upstream := insert(t, p, "upstreams", entity.Record{"name": "pool"})
	for i := range 60 {
		for range 1 + random.IntN(3) {
			table := []string{"services", "consumers", "targets", "certificates"}[random.IntN(4)]
			name := fmt.Sprintf("n%d-%d", i, random.Uint32())
			switch key, ok := one(table); {
			case table == "targets":
				insert(t, p, table, entity.Record{"target": name + ":1", "upstream": map[string]any{"id": upstream["id"]}})
			case table == "certificates":
				if i%7 != 0 {
					continue
				}
				exec(t, p, "UPDATE current_revision SET id = id + 1")
				exec(t, p, "INSERT INTO revisions (id, actor, entity, entity_id, operation) "+
					"SELECT id, 'a', 'certificates', gen_random_uuid(), 'insert' FROM current_revision")
			case ok && random.IntN(4) == 0:
				remove(t, p, table, key)
				for j, n := range names[table] {
					if n == key {
						names[table] = append(names[table][:j], names[table][j+1:]...)
						break
					}
				}
			case ok && random.IntN(2) == 0:
				patch(t, p, table, key, entity.Record{"tags": []any{name}})
			default:
				r := entity.Record{"name": name, "host": "h"}
				if table == "consumers" {
					r = entity.Record{"username": name}
				}
				insert(t, p, table, r)
				names[table] = append(names[table], name)
			}
		}
		sees(t, p, fmt.Sprintf("step %d", i))
	}
}

func TestSnapshotsMayBeAskedForAtTheSameTime(t *testing.T) {
	p := open(t, Config{})
	var asked sync.WaitGroup
	for i := range 8 {
		insert(t, p, "consumers", entity.Record{"username": fmt.Sprint("u", i)})
		asked.Go(func() {
			if c, err := p.Snapshot(context.Background()); err != nil || len(c.Consumers) <= i {
				t.Errorf("after %d: %+v %v", i+1, c, err)
			}
		})
	}
	asked.Wait()
	sees(t, p, "in the end")
}

// openBench is a store of 10,000 consumers, u0 to u9999.
func openBench(b *testing.B) *Postgres {
	b.Helper()
	ctx := context.Background()
	p, err := Open(ctx, Config{DSN: testenv.Postgres(b), AcquireTimeout: 30 * time.Second}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Close)
	if err := p.Migrate(ctx); err != nil {
		b.Fatal(err)
	}
	if _, err := p.pool.Exec(ctx, `INSERT INTO consumers (id, username, body)
		SELECT id, 'u' || n, jsonb_build_object('id', id::text, 'username', 'u' || n, 'created_at', 1, 'updated_at', 1)
		FROM (SELECT gen_random_uuid() AS id, n FROM generate_series(0, 9999) AS n) AS made`); err != nil {
		b.Fatal(err)
	}
	return p
}

// BenchmarkSnapshotAfterAChange: 10,000 consumers, of which one is changed
// before each reading. whole reads all of them, as every replica once did.
func BenchmarkSnapshotAfterAChange(b *testing.B) {
	for _, carried := range []bool{true, false} {
		b.Run(map[bool]string{true: "changes", false: "whole"}[carried], func(b *testing.B) {
			p := openBench(b)
			ctx := context.Background()
			s, _ := schemas.ByName("consumers")
			if _, _, err := p.Modify(ctx, s, "u0", nil, "", func(old entity.Record) (entity.Record, error) {
				return s.ProcessUpdate(old, entity.Record{"custom_id": "first"}, time.Now())
			}); err != nil {
				b.Fatal(err)
			}
			if _, err := p.Snapshot(ctx); err != nil {
				b.Fatal(err)
			}
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				if _, _, err := p.Modify(ctx, s, "u5000", nil, "", func(old entity.Record) (entity.Record, error) {
					return s.ProcessUpdate(old, entity.Record{"custom_id": fmt.Sprint(i)}, time.Now())
				}); err != nil {
					b.Fatal(err)
				}
				if !carried {
					p.cached = nil
				}
				b.StartTimer()
				if c, err := p.Snapshot(ctx); err != nil || len(c.Consumers) != 10_000 {
					b.Fatal(err)
				}
			}
		})
	}
}
