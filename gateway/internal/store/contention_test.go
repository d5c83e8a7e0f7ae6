package store

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

func TestEveryWaitForAFullPoolIsCalledSo(t *testing.T) {
	p := open(t, Config{MaxConns: 1, AcquireTimeout: 10 * time.Second})
	ctx := context.Background()
	if _, err := p.Revision(ctx); err != nil { // the one connection is made
		t.Fatal(err)
	}
	p.config.AcquireTimeout = 2 * time.Millisecond
	var wg sync.WaitGroup
	for range 60 {
		wg.Go(func() {
			for range 100 {
				if _, err := p.Revision(ctx); err != nil && !errors.Is(err, ErrPoolExhausted) {
					t.Errorf("a time-out behind a full pool is %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestUpsertsOfOneAbsentKeyAllSucceed(t *testing.T) {
	p, ctx := open(t, Config{MaxConns: 8}), context.Background()
	s, _ := schemas.ByName("services")
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				_, _, err := p.Modify(ctx, s, name, nil, "", func(old entity.Record) (entity.Record, error) {
					id, _ := old["id"].(string)
					return s.ProcessUpsert(id, entity.Record{"name": name, "host": "h"}, time.Now())
				})
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		wg.Wait()
	}
}

// TestUpsertsSucceedBesideDeletions: what was created since an upsert looked may have been deleted since it was refused for that.
func TestUpsertsSucceedBesideDeletions(t *testing.T) {
	p, ctx := open(t, Config{MaxConns: 8}), context.Background()
	s, _ := schemas.ByName("services")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 40 {
				if i%2 == 0 {
					if err := p.Delete(ctx, s, "a", nil, ""); err != nil {
						t.Errorf("delete: %v", err)
					}
					continue
				}
				_, _, err := p.Modify(ctx, s, "a", nil, "", func(old entity.Record) (entity.Record, error) {
					id, _ := old["id"].(string)
					return s.ProcessUpsert(id, entity.Record{"name": "a", "host": "h"}, time.Now())
				})
				if err != nil {
					t.Errorf("upsert: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func TestATargetIsNamedOnlyBelowItsUpstream(t *testing.T) {
	p, ctx := open(t, Config{}), context.Background()
	for _, name := range []string{"a.x", "b.x"} {
		up := insert(t, p, "upstreams", entity.Record{"name": name})
		insert(t, p, "targets", entity.Record{"target": "h:1", "upstream": map[string]any{"id": up["id"]}})
	}
	s, _ := schemas.ByName("targets")
	if err := p.Delete(ctx, s, "h:1", nil, ""); err != nil {
		t.Fatal(err)
	}
	if list, _, err := p.List(ctx, s, Query{Size: 10}); err != nil || len(list) != 2 {
		t.Errorf("%d of 2 targets are left, %v", len(list), err)
	}
}
