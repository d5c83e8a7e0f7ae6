package cache

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// follow starts n look-ups that wait for a leader, and returns what they find.
func follow(sp *Space, n int, q Query) <-chan Found {
	found := make(chan Found, n)
	for range n {
		go func() { found <- sp.Find(context.Background(), q) }()
	}
	return found
}

func TestSimultaneousMissesAreOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sp := newStore(t, Config{}).Space(nil)
		q := query("a", nil)
		leader := sp.Find(context.Background(), q)
		if leader.Fill == nil || leader.Outcome != Miss {
			t.Fatalf("the first look-up must lead: %+v", leader)
		}
		found := follow(sp, 5, q)
		synctest.Wait()
		if len(found) != 0 {
			t.Fatal("a follower did not wait")
		}
		e := response("x")
		leader.Fill.Aim(e, nil)
		leader.Fill.Store(e)
		for range 5 {
			if f := <-found; f.Entry != e || f.Outcome != Coalesced || f.Fill != nil {
				t.Errorf("follower got %+v", f)
			}
		}
		if f := sp.Find(context.Background(), q); f.Outcome != HitMemory || f.Entry != e {
			t.Errorf("afterwards: %+v", f)
		}
	})
}

func TestUncacheableReleasesAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sp := newStore(t, Config{PassFor: 5 * time.Second}).Space(nil)
		q := query("a", nil)
		leader := sp.Find(context.Background(), q)
		found := follow(sp, 5, q)
		synctest.Wait()
		leader.Fill.Refuse(true)
		for range 5 {
			if f := <-found; f.Fill == nil || f.Fill.flight != nil {
				t.Errorf("a follower must go by itself: %+v", f)
			}
		}
		// For a while there is no leader that others would wait for.
		if f := sp.Find(context.Background(), q); f.Fill.flight != nil {
			t.Error("the next request leads again")
		}
		time.Sleep(6 * time.Second)
		if f := sp.Find(context.Background(), q); f.Fill.flight == nil {
			t.Error("the note outlived its time")
		} else {
			f.Fill.Refuse(false)
		}
		if f := sp.Find(context.Background(), q); f.Fill.flight == nil {
			t.Error("an error of the moment was noted")
		} else {
			f.Fill.Abandon()
		}
	})
}

func TestLostLeaderIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sp := newStore(t, Config{}).Space(nil)
		q := query("a", nil)
		leader := sp.Find(context.Background(), q)
		found := follow(sp, 3, q)
		synctest.Wait()
		leader.Fill.Abandon()
		leader.Fill.Store(response("late")) // the first ending counts
		second := <-found
		if second.Fill == nil || second.Fill.flight == nil {
			t.Fatalf("none of the followers leads: %+v", second)
		}
		synctest.Wait()
		if len(found) != 0 {
			t.Fatal("more than one follower went to the origin")
		}
		second.Fill.Store(response("x"))
		for range 2 {
			if f := <-found; f.Outcome != Coalesced || string(f.Entry.Body) != "x" {
				t.Errorf("follower got %+v", f)
			}
		}
	})
}

func TestHangingLeaderIsNotWaitedForForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sp := newStore(t, Config{WaitFor: 2 * time.Second}).Space(nil)
		q := query("a", nil)
		leader := sp.Find(context.Background(), q)
		defer leader.Fill.Abandon()
		began := time.Now()
		if f := sp.Find(context.Background(), q); f.Fill == nil || time.Since(began) != 2*time.Second {
			t.Errorf("waited %v for %+v", time.Since(began), f)
		}
		began = time.Now()
		if f := sp.Find(context.Background(), q); f.Fill == nil || time.Since(began) != 0 {
			t.Errorf("who came later waited %v behind the same leader", time.Since(began))
		}
	})
}

func TestStaleWhileRevalidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sp := newStore(t, Config{}).Space(nil)
		q := query("a", nil)
		e := response("old")
		e.FreshUntil = time.Now().Add(time.Second)
		e.StaleWhileRevalidate = e.FreshUntil.Add(10 * time.Second)
		f := sp.Find(context.Background(), q)
		f.Fill.Store(e)
		time.Sleep(2 * time.Second)
		leader := sp.Find(context.Background(), q)
		if leader.Fill == nil || leader.Entry != e {
			t.Fatalf("one must refresh it, with the stale entry in hand: %+v", leader)
		}
		if f := sp.Find(context.Background(), q); f.Outcome != Stale || f.Entry != e {
			t.Errorf("the others take the stale entry without waiting: %+v", f)
		}
		leader.Fill.Refuse(true)
		if sp.Peek(q.Key, nil) != e {
			t.Error("a refusal threw away what could serve on an error")
		}
	})
}

func TestVariants(t *testing.T) {
	sp := newStore(t, Config{}).Space(nil)
	en, de := header("Accept-Language", "en"), header("Accept-Language", "de")
	put := func(request fields, body string, vary ...string) {
		f := sp.Find(context.Background(), query("a", request))
		if f.Fill == nil {
			t.Fatalf("%s is stored already: %s", body, f.Entry.Body)
		}
		e := response(body, vary...)
		f.Fill.Aim(e, request)
		f.Fill.Store(e)
	}
	is := func(about string, request fields, want string) {
		t.Helper()
		got := ""
		if e := sp.Peek(keyOf("a"), request); e != nil {
			got = string(e.Body)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", about, got, want)
		}
	}
	put(en, "hello", "accept-language")
	put(de, "hallo", "accept-language")
	is("one variant", en, "hello")
	is("the other", de, "hallo")
	is("a third is unknown", header("Accept-Language", "fr"), "")
	is("two fields are not one with both", header("Accept-Language", "e", "Accept-Language", "n"), "")
	put(header("Accept-Language", "fr", "Origin", "x"), "bonjour", "origin")
	is("a name more makes the old ones unknown", en, "")
	is("and is honoured with the old name", header("Accept-Language", "fr", "Origin", "x"), "bonjour")
	if _, err := sp.store.Purge(t.Context(), keyOf("a")); err != nil {
		t.Fatal(err)
	}
	put(header("Accept-Language", "it"), "ciao", "accept-language", "origin")
	is("a purge reaches every variant, also when the note is back", header("Accept-Language", "fr", "Origin", "x"), "")
}

func TestFollowerOfAnotherVariantGoesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sp := newStore(t, Config{}).Space(nil)
		en, de := header("Accept-Language", "en"), header("Accept-Language", "de")
		leader := sp.Find(context.Background(), query("a", en))
		same, other := follow(sp, 1, query("a", en)), follow(sp, 1, query("a", de))
		synctest.Wait()
		e := response("hello", "accept-language")
		leader.Fill.Aim(e, en)
		leader.Fill.Store(e)
		if f := <-same; f.Outcome != Coalesced {
			t.Errorf("the same variant: %+v", f)
		}
		if f := <-other; f.Fill == nil {
			t.Errorf("another variant was answered with %q", f.Entry.Body)
		}
	})
}

// TestARefreshThatHasJustEndedIsNotRepeated has a request that found something stale ask
// for a refresh after another one's has stored what is fresh.
func TestARefreshThatHasJustEndedIsNotRepeated(t *testing.T) {
	for _, vary := range [][]string{nil, {"Accept"}} {
		sp := newStore(t, Config{}).Space(nil)
		q := query("a", header("Accept", "text/plain"))
		first := sp.Refresh(q)
		if first == nil {
			t.Fatal("the first one is not asked to refresh")
		}
		if sp.Refresh(q) != nil {
			t.Error("two at a time refresh")
		}
		e := response("x", vary...)
		first.Aim(e, q.Request)
		first.Store(e)
		if sp.Refresh(q) != nil {
			t.Errorf("refreshed again at once (Vary: %q)", vary)
		}
		if f := sp.Find(t.Context(), q); f.Entry != e || f.Outcome != HitMemory {
			t.Errorf("afterwards: %+v", f)
		}
	}
}
