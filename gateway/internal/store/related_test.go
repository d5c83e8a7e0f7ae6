package store

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

func keyOf(t *testing.T, p *Postgres, key string) entity.Record {
	t.Helper()
	s, _ := schemas.ByName("keyauth_credentials")
	r, err := p.Select(context.Background(), s, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func exec(t *testing.T, p *Postgres, sql string, args ...any) {
	t.Helper()
	if _, err := p.pool.Exec(context.Background(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func TestACredentialEnds(t *testing.T) {
	p, ctx := open(t, Config{}), context.Background()
	consumer := insert(t, p, "consumers", entity.Record{"username": "u"})
	ref := map[string]any{"id": consumer["id"]}
	insert(t, p, "keyauth_credentials", entity.Record{"key": "k", "ttl": int64(1000), "consumer": ref})
	insert(t, p, "keyauth_credentials", entity.Record{"key": "forever", "ttl": int64(0), "consumer": ref})

	exec(t, p, "UPDATE keyauth_credentials SET expires_at = expires_at - interval '900 seconds'")
	if ttl, _ := keyOf(t, p, "k")["ttl"].(int64); ttl < 1 || ttl > 100 {
		t.Errorf("%d seconds are left, want at most 100", ttl)
	}
	cfg, err := p.Snapshot(ctx)
	if err != nil || len(cfg.KeyAuths) != 2 {
		t.Fatalf("snapshot: %v %v", cfg, err)
	}
	if ends := time.UnixMilli(cfg.KeyAuths[0].ExpiresAt); time.Until(ends) > 101*time.Second || cfg.KeyAuths[1].ExpiresAt != 0 {
		t.Errorf("the data plane gets %+v", cfg.KeyAuths)
	}

	// A change of something else leaves the end, one of the ttl moves it.
	s, _ := schemas.ByName("keyauth_credentials")
	change := func(patch entity.Record) {
		t.Helper()
		if _, _, err := p.Modify(ctx, s, "k", nil, "tester", func(old entity.Record) (entity.Record, error) {
			return s.ProcessUpdate(old, patch, time.Now())
		}); err != nil {
			t.Fatal(err)
		}
	}
	change(entity.Record{"tags": []any{"x"}})
	if ttl, _ := keyOf(t, p, "k")["ttl"].(int64); ttl < 1 || ttl > 100 {
		t.Errorf("another change: %d seconds are left, want at most 100", ttl)
	}
	change(entity.Record{"ttl": int64(5000)})
	if ttl, _ := keyOf(t, p, "k")["ttl"].(int64); ttl <= 1000 || ttl > 5000 {
		t.Errorf("a new ttl: %d seconds are left, want 5000 or little less", ttl)
	}

	exec(t, p, "UPDATE keyauth_credentials SET expires_at = now() - interval '1 second' WHERE key = 'k'")
	if r := keyOf(t, p, "k"); r != nil {
		t.Errorf("selected after its end: %v", r)
	}
	if list, _, err := p.List(ctx, s, Query{Size: 10}); err != nil || len(list) != 1 || list[0]["key"] != "forever" {
		t.Errorf("listed: %v %v", list, err)
	}
	if cfg, err = p.Snapshot(ctx); err != nil || len(cfg.KeyAuths) != 1 {
		t.Errorf("snapshot: %v %v", cfg, err)
	}
	insert(t, p, "keyauth_credentials", entity.Record{"key": "k", "consumer": ref}) // the key is free again
	if r := keyOf(t, p, "k"); r == nil || r["ttl"] != nil {
		t.Errorf("made anew: %v", r)
	}
}

func TestWhatCannotBeReadIsNamed(t *testing.T) {
	p := open(t, Config{})
	r := insert(t, p, "routes", entity.Record{"name": "r", "paths": []any{"/"}})
	exec(t, p, `UPDATE routes SET body = jsonb_set(body, '{regex_priority}', '1e20')`)
	_, err := p.Snapshot(context.Background())
	if !errors.Is(err, ErrUnreadable) || !strings.Contains(err.Error(), "routes "+r["id"].(string)) {
		t.Fatalf("got %v", err)
	}
	var unreadable *UnreadableError
	if !errors.As(err, &unreadable) || unreadable.Revision != 1 {
		t.Errorf("%+v is not of revision 1", unreadable)
	}
	s, _ := schemas.ByName("routes")
	if _, _, err := p.Modify(context.Background(), s, "r", nil, "tester", func(old entity.Record) (entity.Record, error) {
		return s.ProcessUpdate(old, entity.Record{"regex_priority": int64(1)}, time.Now())
	}); err != nil {
		t.Fatalf("mending it: %v", err)
	}
	if _, err := p.Snapshot(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestOnlyADatabaseThatIsAwayIsUnavailable(t *testing.T) {
	p := open(t, Config{})
	s, r := made(t, "consumers", entity.Record{"username": "u"})
	r["username"] = "v"
	r["extra"] = math.NaN() // has no JSON
	err := p.Insert(context.Background(), s, r, "tester")
	var known *entity.Error
	if errors.Is(err, ErrUnavailable) || !errors.As(err, &known) || known.Status() != 500 {
		t.Errorf("what cannot be encoded: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Select(ctx, s, "u", nil); !errors.Is(err, ErrUnavailable) {
		t.Errorf("given up: %v", err)
	}
}

// TestTheGuardsMendWhatWasStored migrates a database that an older version has
// filled.
func TestTheGuardsMendWhatWasStored(t *testing.T) {
	p := open(t, Config{})
	ctx := context.Background()
	exec(t, p, "DELETE FROM goose_db_version WHERE version_id >= 3")
	exec(t, p, "DROP TABLE words, jwt_secrets, basicauth_credentials, acls, hmacauth_credentials, keys, key_sets")
	exec(t, p, "DROP TABLE oauth2_tokens, oauth2_credentials, trial_counts, trials")
	exec(t, p, "ALTER TABLE current_revision DROP trial")
	exec(t, p, "DROP TABLE service_ca_certificates")
	exec(t, p, "ALTER TABLE keyauth_credentials DROP expires_at")
	const id, upper = "0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01", "0A6F1C4E-27C3-4C0B-9B45-7B7B5F2C5D01"
	exec(t, p, `INSERT INTO ca_certificates (id, cert_digest, body) VALUES ($1, 'd', jsonb_build_object('id', $2::text, 'cert', 'c'))`,
		id, upper)
	exec(t, p, `INSERT INTO services (id, name, body) VALUES ($1, 's', jsonb_build_object(
		'id', $2::text, 'name', 's', 'host', 'h', 'ca_certificates', jsonb_build_array($2::text)))`, id, upper)
	exec(t, p, `INSERT INTO plugins (id, name, service, body) VALUES ($1, 'key-auth', $1, jsonb_build_object(
		'id', $2::text, 'name', 'key-auth', 'service', jsonb_build_object('id', $2::text, 'more', 1)))`, id, upper)
	exec(t, p, `INSERT INTO consumers (id, username, body)
		VALUES ($1::uuid, 'u', jsonb_build_object('id', ($1::uuid)::text, 'username', 'u'))`, id)
	exec(t, p, `INSERT INTO keyauth_credentials (id, consumer, key, body) VALUES ($1::uuid, $1::uuid, 'k', jsonb_build_object(
		'id', ($1::uuid)::text, 'key', 'k', 'consumer', jsonb_build_object('id', ($1::uuid)::text), 'ttl', 60))`, id)
	exec(t, p, `INSERT INTO revisions (id, actor, entity, entity_id, operation, before, after) VALUES
		(1, 'a', 'certificates', $1, 'update', '{"key":"hunter2","key_alt":null}', '{"key":"hunter2","key_alt":"hunter2"}'),
		(2, 'a', 'keyauth_credentials', $1, 'insert', NULL, '{"key":"hunter2"}'),
		(3, 'a', 'plugins', $1, 'insert', NULL, '{"config":{"redis":{"password":"hunter2","host":"h"},"redis_password":"hunter2"}}')`, id)
	if err := p.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	cfg, err := p.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Services[0].ID != id || cfg.Services[0].CACertificates[0] != id || cfg.CACertificates[0].ID != id ||
		cfg.Plugins[0].Service.ID != id || cfg.KeyAuths[0].ExpiresAt == 0 {
		t.Errorf("the data plane gets %+v", cfg)
	}
	if _, err := p.pool.Exec(ctx, "DELETE FROM ca_certificates"); err == nil {
		t.Error("an authority that a service trusts could be deleted")
	}
	rows, err := p.pool.Query(ctx, "SELECT concat(before, after) FROM revisions ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || strings.Contains(strings.Join(texts, ""), "hunter2") || !strings.Contains(texts[0], `"key_alt": null`) ||
		!strings.Contains(texts[2], `"host": "h"`) {
		t.Errorf("the history: %v %v", texts, err)
	}
}
