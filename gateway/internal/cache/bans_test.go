package cache

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

func named(route, host, path string, fields ...string) *Entry {
	e := response("x")
	e.Of = Resource{Route: route + "-id", RouteName: route, Host: host, Path: path}
	for i := 0; i < len(fields); i += 2 {
		e.Header = append(e.Header, Field{[]byte(fields[i]), []byte(fields[i+1])})
	}
	return e
}

func TestBans(t *testing.T) {
	e := named("r", "example.com", "/img/a.png?x", SurrogateKey, "one two", CacheTag, "three, and four")
	for text, want := range map[string]bool{
		"t:one": true, "t:two": true, "t:three": true, "t:and four": true, "t:four": false, "t:and": false, "t:ONE": false,
		"r:r": true, "r:r-id": true, "r:": false, "r:s": false,
		"p:/": true, "p:/img": true, "p:/img/": true, "p:/js/": false, "p:/IMG/": true, "p:example.com": true, "p:Example.com/img/": true,
		"p:example.com/js": false, "p:example.org/": false, "p:/img/a.png?x": true, "p:/img/a.png?x=1": false,
		"?:x": false, "t": false, "": false,
	} {
		b := newBans()
		b.add(7, []string{text})
		if got := b.hit(e, 6); got != want {
			t.Errorf("%q: %t, want %t", text, got, want)
		}
		if b.hit(e, 7) {
			t.Errorf("%q is held against what came later", text)
		}
	}
}

func TestBansAreBounded(t *testing.T) {
	b := newBans()
	for n := range mostBans + 1 {
		b.add(uint64(n+1), []string{fmt.Sprint(banTag, n)})
	}
	if n := b.count(); n < mostBans/3 || n > mostBans {
		t.Errorf("%d are remembered", n)
	}
	e := named("r", "h", "/", SurrogateKey, "none")
	if !b.hit(e, 10) || b.hit(e, mostBans) {
		t.Error("what is as old as a ban that is not remembered is kept, or what is new is not")
	}
}

func FuzzTags(f *testing.F) {
	for _, s := range []string{"a b", " a  ,b", ",,", "\t", "a,b,"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		for _, name := range []string{SurrogateKey, CacheTag} {
			var tags []string
			e := &Entry{Header: []Field{{[]byte(name), value}}}
			e.tags(func(tag []byte) bool { tags = append(tags, string(tag)); return false })
			separator := map[string]string{SurrogateKey: " ", CacheTag: ","}[name]
			for _, tag := range tags {
				if tag == "" || strings.Contains(tag, separator) || !bytes.Contains(value, []byte(tag)) || strings.Trim(tag, " \t") != tag {
					t.Errorf("%s: %q has tag %q", name, value, tag)
				}
			}
			want := slices.DeleteFunc(strings.Split(string(value), separator), func(s string) bool { return strings.Trim(s, " \t") == "" })
			if len(want) != len(tags) {
				t.Errorf("%s: %q has %q, want %q", name, value, tags, want)
			}
		}
	})
}

// TestAPurgeIsOfWhatWasAskedForBefore has fetches under way, in memory and in Redis.
func TestAPurgeIsOfWhatWasAskedForBefore(t *testing.T) {
	r := replicas(t, 2)
	tag := Selection{Tags: []string{"a"}}
	tagged := func() *Entry { return named("r", "h", "/", SurrogateKey, "a") }
	q, later := query("q", nil), query("later", nil)
	plain := query("plain", nil)
	f := r[0].Find(t.Context(), q)
	other := r[0].Find(t.Context(), plain)
	waits := follow(r[0], 1, q)
	if err := r[1].store.PurgeSelected(t.Context(), tag); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other replica hears of it", func() bool { return r[0].bans.last.Load() == r[1].bans.last.Load() })
	f.Fill.Store(tagged())
	other.Fill.Store(named("r", "h", "/")) // has no tag
	if again := <-waits; again.Fill == nil {
		t.Errorf("who waited has %+v", again)
	} else {
		again.Fill.Abandon()
	}
	if e := r[0].Peek(q.Key, nil); e != nil {
		t.Error("what was asked for before the purge is in memory")
	}
	if e := r[0].Peek(plain.Key, nil); e == nil {
		t.Error("what the purge is not of was not stored")
	}
	fill(t, r[0], later, tagged())
	eventually(t, "the write", func() bool { n, _ := inRedis(t, r[0], later.Key); return n == 1 })
	if found := r[1].Find(t.Context(), later); found.Outcome != HitRedis {
		t.Errorf("what was asked for after the purge: %+v", found)
	}
}

// TestAReplicaThatHeardOfNoPurgeReadsNothingOfIt has no subscription any more.
func TestAReplicaThatHeardOfNoPurgeReadsNothingOfIt(t *testing.T) {
	r := replicas(t, 2)
	q := query("q", nil)
	fill(t, r[0], q, named("r", "h", "/a"))
	eventually(t, "the write", func() bool { n, _ := inRedis(t, r[0], q.Key); return n == 1 })
	r[1].cancel()
	if err := r[0].store.PurgeSelected(t.Context(), Selection{Prefixes: []string{"/a"}}); err != nil {
		t.Fatal(err)
	}
	f := r[1].Find(t.Context(), q)
	if f.Fill == nil || f.Fill.hold == nil {
		t.Fatalf("%+v", f)
	}
	f.Fill.Store(named("r", "h", "/a"))
	eventually(t, "it is stored anew", func() bool {
		f := r[0].Find(t.Context(), q)
		if f.Fill != nil {
			f.Fill.Abandon()
		}
		return f.Entry != nil
	})
}

// TestRedisRemembersAsManyPurgesAsAReplica purges by more tags than are remembered.
func TestRedisRemembersAsManyPurgesAsAReplica(t *testing.T) {
	r := replicas(t, 1)[0]
	q := query("q", nil)
	fill(t, r, q, named("r", "h", "/"))
	eventually(t, "the write", func() bool { n, _ := inRedis(t, r, q.Key); return n == 1 })
	for n := 0; n <= mostBans; n += 1000 {
		sel := Selection{}
		for i := range 1000 {
			sel.Tags = append(sel.Tags, fmt.Sprint(n+i))
		}
		if err := r.store.PurgeSelected(t.Context(), sel); err != nil {
			t.Fatal(err)
		}
	}
	var size int64
	err := r.client.Do(t.Context(), func(ctx context.Context, rdb redis.Cmdable) (err error) {
		size, err = rdb.HLen(ctx, r.store.cfg.Prefix+bansKey).Result()
		return err
	})
	if err != nil || size > mostBans+2 || size < mostBans/3 {
		t.Errorf("%d are remembered, %v", size, err)
	}
	fresh := newBans()
	var hash map[string]string
	_ = r.client.Do(t.Context(), func(ctx context.Context, rdb redis.Cmdable) (err error) {
		hash, err = rdb.HGetAll(ctx, r.store.cfg.Prefix+bansKey).Result()
		return err
	})
	fresh.load(hash)
	if fresh.lowest() == 0 || fresh.last.Load() != r.bans.last.Load() {
		t.Errorf("a new replica learns of the floor %d and the last %d, want %d", fresh.lowest(), fresh.last.Load(), r.bans.last.Load())
	}
}
