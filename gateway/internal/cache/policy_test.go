package cache

import (
	"fmt"
	"testing"
	"time"
)

func TestStorable(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	date := now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	in := func(d time.Duration) string { return now.Add(d).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") }
	followed := Policy{CacheControl: true, TTL: 300 * time.Second}
	tests := []struct {
		about     string
		policy    Policy
		request   fields
		response  fields
		freshFor  time.Duration // 0: not to be stored
		keptFor   time.Duration // 0: as freshFor
		mustCheck bool
	}{
		{"no freshness of its own takes the operator's", followed, nil, header(), 300 * time.Second, 0, false},
		{"max-age wins over the operator's", followed, nil, header("Cache-Control", "max-age=10"), 10 * time.Second, 0, false},
		{"s-maxage wins over max-age", followed, nil, header("Cache-Control", "max-age=10, s-maxage=20"), 20 * time.Second, 0, false},
		{"two fields count as one list", followed, nil, header("Cache-Control", "public", "Cache-Control", "max-age=10"), 10 * time.Second, 0, false},
		{"Expires counts from Date", followed, nil, header("Date", date, "Expires", in(time.Minute)), time.Minute, 0, false},
		{"max-age wins over Expires", followed, nil, header("Date", date, "Expires", in(time.Minute), "Cache-Control", "max-age=5"), 5 * time.Second, 0, false},
		{"Expires 0 is the past", followed, nil, header("Date", date, "Expires", "0"), 0, 0, false},
		{"Age has used up some of it", followed, nil, header("Age", "4", "Cache-Control", "max-age=10"), 6 * time.Second, 0, false},
		{"Age has used up all of it", followed, nil, header("Age", "10", "Cache-Control", "max-age=10"), 0, 0, false},
		{"max-age=0", followed, nil, header("Cache-Control", "max-age=0"), 0, 0, false},
		{"a max-age that is no number is none", followed, nil, header("Cache-Control", "max-age=soon"), 0, 0, false},
		{"of two the shorter counts", followed, nil, header("Cache-Control", "max-age=20, max-age=10"), 10 * time.Second, 0, false},
		{"quoted seconds", followed, nil, header("Cache-Control", `max-age="10"`), 10 * time.Second, 0, false},
		{"names in any case", followed, nil, header("Cache-Control", "Max-Age=10"), 10 * time.Second, 0, false},
		{"no-store", followed, nil, header("Cache-Control", "no-store, max-age=10"), 0, 0, false},
		{"no-cache", followed, nil, header("Cache-Control", "no-cache"), 0, 0, false},
		{"no-cache with field names", followed, nil, header("Cache-Control", `no-cache="a, b", max-age=10`), 0, 0, false},
		{"private", followed, nil, header("Cache-Control", "private, max-age=10"), 0, 0, false},
		{"a comma within quotes ends nothing", followed, nil, header("Cache-Control", `ext="no-store, private", max-age=10`), 10 * time.Second, 0, false},
		{"Authorization forbids", followed, header("Authorization", "x"), header("Cache-Control", "max-age=10"), 0, 0, false},
		{"Authorization with public", followed, header("Authorization", "x"), header("Cache-Control", "public, max-age=10"), 10 * time.Second, 0, false},
		{"Authorization with s-maxage", followed, header("Authorization", "x"), header("Cache-Control", "s-maxage=10"), 10 * time.Second, 0, false},
		{"Authorization with must-revalidate", followed, header("Authorization", "x"), header("Cache-Control", "must-revalidate, max-age=10"), 10 * time.Second, 0, true},
		{"Vary: * fits nobody", followed, nil, header("Vary", "Accept, *"), 0, 0, false},
		{"a cookie is for one client", followed, nil, header("Set-Cookie", "a=b", "Cache-Control", "max-age=10"), 0, 0, false},
		{"a cookie that is declared public", followed, nil, header("Set-Cookie", "a=b", "Cache-Control", "public, max-age=10"), 10 * time.Second, 0, false},
		{"stale-if-error keeps it longer", followed, nil, header("Cache-Control", "max-age=10, stale-while-revalidate=5, stale-if-error=30"), 10 * time.Second, 40 * time.Second, false},
		{"must-revalidate forbids what is stale", followed, nil, header("Cache-Control", "max-age=10, must-revalidate, stale-if-error=30"), 10 * time.Second, 0, true},
		{"storage_ttl outlives freshness", Policy{CacheControl: true, TTL: time.Second, StorageTTL: time.Hour}, nil, header(), time.Second, time.Hour, false},
		{"unfollowed, only the operator's lifetime counts", Policy{TTL: time.Minute}, header("Authorization", "x"), header("Cache-Control", "no-store, private, max-age=1", "Age", "70"), time.Minute, 0, false},
		{"unfollowed, Vary is honoured all the same", Policy{TTL: time.Minute}, nil, header("Vary", "*"), 0, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			e := &Entry{}
			if ok := tt.policy.Judge(e, tt.request, tt.response, now); ok != (tt.freshFor > 0) {
				t.Fatalf("storable: %t, want %t", ok, !ok)
			}
			if tt.freshFor == 0 {
				return
			}
			kept := tt.keptFor
			if kept == 0 {
				kept = tt.freshFor
			}
			if f, k := e.FreshUntil.Sub(now), e.KeepUntil.Sub(now); f != tt.freshFor || k != kept {
				t.Errorf("fresh for %v and kept for %v, want %v and %v", f, k, tt.freshFor, kept)
			}
			if e.MustRevalidate != tt.mustCheck {
				t.Errorf("must revalidate: %t", e.MustRevalidate)
			}
		})
	}
}

func TestRequestDirectives(t *testing.T) {
	// Ten seconds old, fresh for another five, then ten of stale-while-revalidate.
	now := time.Now()
	e := &Entry{Generated: now.Add(-10 * time.Second), FreshUntil: now.Add(5 * time.Second), StaleWhileRevalidate: now.Add(15 * time.Second)}
	strict := *e
	strict.MustRevalidate = true
	tests := []struct {
		about, cc string
		entry     *Entry
		after     time.Duration
		want      Verdict
	}{
		{"fresh", "", e, 0, Usable},
		{"the client takes nothing stored", "no-cache", e, 0, Unusable},
		{"younger than asked", "max-age=11", e, 0, Usable},
		{"older than asked", "max-age=9", e, 0, Unusable},
		{"fresh for long enough", "min-fresh=5", e, 0, Usable},
		{"not fresh for long enough", "min-fresh=6", e, 0, Unusable},
		{"stale, another may be refreshing it", "", e, 6 * time.Second, UsableBusy},
		{"stale beyond use", "", e, 16 * time.Second, Unusable},
		{"stale as the client allows", "max-stale=30", e, 20 * time.Second, Usable},
		{"staler than the client allows", "max-stale=3", e, 20 * time.Second, Unusable},
		{"however stale", "max-stale", e, 20 * time.Hour, Usable},
		{"max-stale does not overrule must-revalidate", "max-stale", &strict, 20 * time.Second, Unusable},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			d := ParseCacheControl(header("Cache-Control", tt.cc).PeekAll("Cache-Control"))
			if got := d.Judge(tt.entry, now.Add(tt.after)); got != tt.want {
				t.Errorf("verdict %d, want %d", got, tt.want)
			}
		})
	}
}

func TestVaryNames(t *testing.T) {
	names, ok := varyNames([][]byte{[]byte("Accept, origin"), []byte(" ACCEPT ,, ")})
	if !ok || fmt.Sprint(names) != "[accept origin]" {
		t.Errorf("got %v, %t", names, ok)
	}
}

func FuzzParseCacheControl(f *testing.F) {
	for _, s := range []string{"max-age=1", `no-cache="a,b", private`, `x="\",",max-stale`, "max-age=99999999999999999999", "=,,=", `"`, `\`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, v []byte) {
		d := ParseCacheControl([][]byte{v})
		for _, s := range []time.Duration{d.MaxAge, d.SMaxAge, d.MinFresh, d.StaleIfError, d.StaleWhileRevalidate} {
			if s < -1 || s > 1<<31*time.Second {
				t.Errorf("%q: %v is no lifetime", v, s)
			}
		}
	})
}
