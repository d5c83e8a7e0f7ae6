package cache

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoryIsBoundedByBytes(t *testing.T) {
	const most = 1 << 20
	sp := newStore(t, Config{MemoryBytes: most}).Space(nil)
	for i := range 400 {
		e := response("")
		e.Body = make([]byte, 10_000)
		sp.keep(epoch{}, keyOf(fmt.Sprint(i)), keyOf(fmt.Sprint(i)), e)
	}
	m := sp.store.memory
	m.cache.CleanUp()
	if b := m.bytes(); b > most || b < most/2 {
		t.Errorf("%v bytes are held, want at most %d and most of that", b, most)
	}
	if n := m.entries(); n < 40 || n > 110 {
		t.Errorf("%v entries", n)
	}
}

func TestMemoryForgetsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sp := newStore(t, Config{}).Space(nil)
		e := response("x")
		sp.keep(epoch{}, keyOf("a"), keyOf("a"), e)
		time.Sleep(59 * time.Second)
		if sp.Peek(keyOf("a"), nil) == nil {
			t.Error("gone before its time")
		}
		time.Sleep(2 * time.Second)
		if sp.Peek(keyOf("a"), nil) != nil {
			t.Error("there after its time")
		}
	})
}

func TestNoMemoryTier(t *testing.T) {
	s := newStore(t, Config{MemoryBytes: -1})
	sp := s.Space(nil)
	f := sp.Find(context.Background(), query("a", nil))
	f.Fill.Store(response("x"))
	if sp.Peek(keyOf("a"), nil) != nil {
		t.Error("something was kept")
	}
	if err := s.PurgeAll(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestHitAllocatesNothing(t *testing.T) {
	sp := newStore(t, Config{}).Space(nil)
	k := keyOf("a")
	sp.keep(epoch{}, k, k, response("x"))
	now := time.Now()
	if n := testing.AllocsPerRun(100, func() {
		e := sp.Peek(k, nil)
		if e == nil || !e.Fresh(now) {
			t.Fatal("no hit")
		}
	}); n != 0 {
		t.Errorf("%v allocations per hit", n)
	}
}

func BenchmarkPeekHit(b *testing.B) {
	sp := newStore(b, Config{}).Space(nil)
	k := keyOf("a")
	sp.keep(epoch{}, k, k, response("x"))
	b.ReportAllocs()
	for b.Loop() {
		if sp.Peek(k, nil) == nil {
			b.Fatal("no hit")
		}
	}
}
