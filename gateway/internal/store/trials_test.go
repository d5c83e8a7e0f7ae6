package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// changing returns a plan that changes a service's host, adds a route and deletes a
// consumer.
func changing(t *testing.T) func(context.Context, *Contents) ([]EntityChange, error) {
	return func(_ context.Context, have *Contents) ([]EntityChange, error) {
		return []EntityChange{
			deletionOf(t, have, "consumers"), updateOf(t, have, "services", entity.Record{"host": "tried"}),
			insertion(t, "routes", entity.Record{"name": "new", "paths": []any{"/new"}}),
			insertion(t, "keyauth_credentials", entity.Record{"key": "k", "ttl": int64(100),
				"consumer": map[string]any{"id": have.Records["consumers"][1]["id"]}}),
		}, nil
	}
}

func schemaOf(t *testing.T, name string) *entity.Schema {
	t.Helper()
	s, ok := schemas.ByName(name)
	if !ok {
		t.Fatal(name)
	}
	return s
}

func deletionOf(t *testing.T, have *Contents, name string) EntityChange {
	t.Helper()
	return EntityChange{Schema: schemaOf(t, name), Operation: "delete", Before: have.Records[name][0]}
}

func updateOf(t *testing.T, have *Contents, name string, patch entity.Record) EntityChange {
	t.Helper()
	s, old := schemaOf(t, name), have.Records[name][0]
	r, err := s.ProcessUpdate(old, patch, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return EntityChange{Schema: s, Operation: "update", Before: old, After: r}
}

func insertion(t *testing.T, name string, r entity.Record) EntityChange {
	t.Helper()
	s := schemaOf(t, name)
	r, err := s.ProcessInsert(r, time.Now(), "")
	if err != nil {
		t.Fatal(err)
	}
	return EntityChange{Schema: s, Operation: "insert", After: r}
}

func openTried(t *testing.T) *Postgres {
	t.Helper()
	p := open(t, Config{Schemas: schemas})
	insert(t, p, "services", entity.Record{"name": "s", "host": "stable"})
	insert(t, p, "routes", entity.Record{"name": "old", "paths": []any{"/old"}})
	insert(t, p, "consumers", entity.Record{"username": "a"})
	insert(t, p, "consumers", entity.Record{"username": "b"})
	return p
}

func begin(t *testing.T, p *Postgres, name string) string {
	t.Helper()
	id, err := p.StartTrial(t.Context(), "tester", name, &entity.TrialRules{Percent: 10, Lasts: 60}, changing(t))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestATrialIsBesideTheConfigurationThatHolds(t *testing.T) {
	p := openTried(t)
	before := sees(t, p, "before")
	id := begin(t, p, "x")
	c := sees(t, p, "while it runs")
	if c.Revision != before.Revision+1 || c.Services[0].Host != "stable" ||
		len(c.Routes) != 1 || len(c.Consumers) != 2 || len(c.KeyAuths) != 0 {
		t.Errorf("the configuration that holds is %+v", c)
	}
	if c.Trial == nil || c.Trial.ID != id || c.Trial.Name != "x" || c.Trial.Rules.Percent != 10 || c.Trial.Config == nil {
		t.Fatalf("the trial is %+v", c.Trial)
	}
	tried := c.Trial.Config
	if tried.Services[0].Host != "tried" || len(tried.Routes) != 2 || tried.Routes[1].Name != "new" || len(tried.Consumers) != 1 ||
		tried.Consumers[0].Username != "b" || tried.Trial != nil {
		t.Errorf("its configuration is %+v", tried)
	}
	if len(tried.KeyAuths) != 1 || tried.KeyAuths[0].ExpiresAt < time.Now().UnixMilli() {
		t.Errorf("its credentials are %+v", tried.KeyAuths)
	}

	err := p.Insert(t.Context(), schemaOf(t, "services"), insertion(t, "services", entity.Record{"host": "h"}).After, "tester")
	var known *entity.Error
	if !errors.As(err, &known) || known.Status() != 409 || !strings.Contains(known.Message, `"x"`) {
		t.Errorf("another change: %v", err)
	}
	if got := sees(t, p, "after a change that was refused"); got.Revision != c.Revision {
		t.Errorf("revision %d, want %d", got.Revision, c.Revision)
	}

	if err := p.DropTrial(t.Context(), "x", "tester", "enough"); err != nil {
		t.Fatal(err)
	}
	if c := sees(t, p, "dropped"); c.Trial != nil || c.Services[0].Host != "stable" {
		t.Errorf("after it was dropped: %+v", c)
	}
	if err := p.DropTrial(t.Context(), "x", "tester", "again"); !errors.Is(err, ErrNoTrial) {
		t.Errorf("dropped again: %v", err)
	}
}

func TestAPromotedTrialIsOneRevision(t *testing.T) {
	p := openTried(t)
	id := begin(t, p, "x")
	tried := sees(t, p, "while it runs").Trial.Config
	if err := p.PromoteTrial(t.Context(), id, "tester", "good"); err != nil {
		t.Fatal(err)
	}
	c := sees(t, p, "promoted")
	if c.Trial != nil || c.Revision != tried.Revision+1 || c.Services[0].Host != "tried" || len(c.Routes) != 2 || len(c.Consumers) != 1 {
		t.Errorf("got %+v", c)
	}
	list, err := p.Revisions(t.Context(), 0, 2)
	if err != nil || list[0].Operation != "promote" || list[1].Entity != "trials" {
		t.Errorf("%v %+v", err, list)
	}
	all, err := p.Trials(t.Context())
	if err != nil || len(all) != 1 || all[0].State != TrialPromoted ||
		all[0].Reason != "good" || len(all[0].Changes) != 4 || all[0].EndedAt == nil {
		t.Errorf("%v %+v", err, all)
	}
	var kept bool
	if err := p.pool.QueryRow(t.Context(), "SELECT changes IS NOT NULL FROM trials").Scan(&kept); err != nil || kept {
		t.Errorf("the changes, with their secrets, are kept: %v %v", kept, err)
	}
	// An older revision can be brought back over it.
	if _, err := p.Replace(t.Context(), "tester", "rollback", func(ctx context.Context, have *Contents) ([]EntityChange, error) {
		then, _, err := have.At(ctx, 4)
		if err == nil && then["services"][0]["host"] != "stable" {
			t.Errorf("revision 4 has %v", then["services"])
		}
		return nil, err
	}); err != nil {
		t.Error(err)
	}
}

func TestATrialThatTheDatabaseWouldRefuseIsRefused(t *testing.T) {
	p := openTried(t)
	for name, plan := range map[string]func(have *Contents) []EntityChange{
		"UNIQUE violation": func(*Contents) []EntityChange {
			return []EntityChange{insertion(t, "services", entity.Record{"name": "s", "host": "h"})}
		},
		"does not reference an existing": func(*Contents) []EntityChange {
			return []EntityChange{insertion(t, "routes", entity.Record{"paths": []any{"/x"}, "service": map[string]any{"id": uuid.NewString()}})}
		},
		"nothing to try": func(*Contents) []EntityChange { return nil },
	} {
		_, err := p.StartTrial(t.Context(), "tester", "x", &entity.TrialRules{}, func(_ context.Context, have *Contents) ([]EntityChange, error) {
			return plan(have), nil
		})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %s", err, name)
		}
	}
	if c := sees(t, p, "after trials that were refused"); c.Trial != nil || c.Revision != 4 {
		t.Errorf("got %+v", c)
	}
}

// Of a trial and many changes that come at the same time, each is either before the
// trial or refused: none gets in between.
func TestNoChangeIsMadeWhileATrialBegins(t *testing.T) {
	p := openTried(t)
	var wg sync.WaitGroup
	refused := make(chan error, 40)
	for range 40 {
		change := insertion(t, "consumers", entity.Record{"username": uuid.NewString()})
		wg.Go(func() { refused <- p.Insert(context.Background(), change.Schema, change.After, "tester") })
	}
	begin(t, p, "x")
	wg.Wait()
	close(refused)
	made := 0
	for err := range refused {
		var known *entity.Error
		switch {
		case err == nil:
			made++
		case !errors.As(err, &known) || known.Code != entity.CodeTrial:
			t.Error(err)
		}
	}
	list, err := p.Revisions(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	if list[0].Entity != "trials" ||
		slices.ContainsFunc(list[1:], func(r Revision) bool { return r.Entity == "trials" }) || len(list) != 4+made+1 {
		t.Errorf("%d changes were made, and the newest revisions are %+v", made, list[:2])
	}
}

func TestReplicasAddUpWhatTheyHaveCounted(t *testing.T) {
	p := openTried(t)
	id := begin(t, p, "x")
	one, other := uuid.NewString(), uuid.NewString()
	report := func(process, replica string, n int64) (entity.TrialCounts, time.Duration) {
		t.Helper()
		c := entity.TrialCounts{Requests: n, Errors: n / 10, Slow: n / 5}
		all, age, err := p.ReportTrial(t.Context(), id, process, replica, c.Plus(c), c)
		if err != nil {
			t.Fatal(err)
		}
		return all, age
	}
	report(one, "gw-1", 50)
	report(other, "gw-2", 10)
	all, age := report(one, "gw-1", 100) // replaces what it has said
	if want := (entity.TrialCounts{Requests: 110, Errors: 11, Slow: 22}); all != want || age <= 0 || age > time.Minute {
		t.Errorf("got %+v after %v, want %+v", all, age, want)
	}
	list, err := p.Trials(t.Context())
	if err != nil || len(list[0].ByReplica) != 2 || list[0].Tried != all ||
		list[0].Stable.Requests != 220 || list[0].ByReplica[0].Replica != "gw-1" {
		t.Errorf("%v %+v", err, list)
	}
	if _, _, err := p.ReportTrial(t.Context(), uuid.NewString(), one, "gw-1", all, all); !errors.Is(err, ErrNoTrial) {
		t.Errorf("of a trial that there is not: %v", err)
	}
}
