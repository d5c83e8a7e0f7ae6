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
		name      string
		policy    Policy
		request   fields
		response  fields
		status    int           // 0: 200
		freshFor  time.Duration // 0, as keptFor: not to be stored
		keptFor   time.Duration // 0: as freshFor, and for a client's max-stale
		mustCheck bool
	}{
		{name: "no freshness of its own takes the operator's", policy: followed, response: header(), freshFor: 300 * time.Second},
		{name: "max-age wins over the operator's", policy: followed, response: header("Cache-Control", "max-age=10"),
			freshFor: 10 * time.Second},
		{name: "s-maxage wins over max-age", policy: followed, response: header("Cache-Control", "max-age=10, s-maxage=20"),
			freshFor: 20 * time.Second, mustCheck: true},
		{name: "two fields count as one list", policy: followed,
			response: header("Cache-Control", "public", "Cache-Control", "max-age=10"), freshFor: 10 * time.Second},
		{name: "Expires counts from Date", policy: followed, response: header("Date", date, "Expires", in(time.Minute)),
			freshFor: time.Minute},
		{name: "max-age wins over Expires", policy: followed,
			response: header("Date", date, "Expires", in(time.Minute), "Cache-Control", "max-age=5"), freshFor: 5 * time.Second},
		{name: "Expires 0 is the past", policy: followed, response: header("Date", date, "Expires", "0")},
		{name: "Age has used up some of it", policy: followed, response: header("Age", "4", "Cache-Control", "max-age=10"),
			freshFor: 6 * time.Second},
		{name: "Age has used up all of it", policy: followed, response: header("Age", "10", "Cache-Control", "max-age=10")},
		{name: "max-age=0", policy: followed, response: header("Cache-Control", "max-age=0")},
		{name: "a max-age that is no number is none", policy: followed, response: header("Cache-Control", "max-age=soon")},
		{name: "two that differ are none", policy: followed, response: header("Cache-Control", "max-age=20, max-age=10")},
		{name: "two that agree", policy: followed, response: header("Cache-Control", "max-age=10, max-age=10"),
			freshFor: 10 * time.Second},
		{name: "half a quote", policy: followed, response: header("Cache-Control", `max-age="10`)},
		{name: "a space before =", policy: followed, response: header("Cache-Control", "max-age =10")},
		{name: "quotes that never end hide nothing", policy: followed,
			response: header("Cache-Control", `max-age=10, ext="a, no-store`)},
		{name: "quoted seconds", policy: followed, response: header("Cache-Control", `max-age="10"`), freshFor: 10 * time.Second},
		{name: "names in any case", policy: followed, response: header("Cache-Control", "Max-Age=10"), freshFor: 10 * time.Second},
		{name: "no-store", policy: followed, response: header("Cache-Control", "no-store, max-age=10")},
		{name: "no-cache", policy: followed, response: header("Cache-Control", "no-cache")},
		{name: "no-cache with a validator", policy: followed, response: header("Cache-Control", "no-cache", "ETag", `"a"`),
			keptFor: keepToRevalidate, mustCheck: true},
		{name: "no-cache with field names", policy: followed, response: header("Cache-Control", `no-cache="a, b", max-age=10`),
			freshFor: 10 * time.Second},
		{name: "private with field names", policy: followed, response: header("Cache-Control", `private="a", max-age=10`),
			freshFor: 10 * time.Second},
		{name: "private with bad field names", policy: followed, response: header("Cache-Control", `private="", max-age=10`)},
		{name: "nothing explicit", policy: Policy{CacheControl: true}, response: header("ETag", `"a"`)},
		{name: "not explicit, and not for this status", policy: followed, status: 201, response: header()},
		{name: "not explicit, for any status where public", policy: followed, status: 201,
			response: header("Cache-Control", "public"), freshFor: 300 * time.Second},
		{name: "explicit, for any status", policy: followed, status: 599, response: header("Cache-Control", "max-age=10"),
			freshFor: 10 * time.Second},
		{name: "a status that is not understood", policy: followed, status: 599,
			response: header("Cache-Control", "max-age=10, must-understand")},
		{name: "no-store for those who do not understand", policy: followed,
			response: header("Cache-Control", "no-store, max-age=10, must-understand"), freshFor: 10 * time.Second},
		{name: "an error for a short time", policy: Policy{TTL: time.Minute, ErrorTTL: time.Second}, status: 503, response: header(),
			freshFor: time.Second},
		{name: "two Expires", policy: followed, response: header("Date", date, "Expires", in(time.Minute), "Expires", in(time.Minute))},
		{name: "an Age that is no number", policy: followed, response: header("Age", "1.5", "Cache-Control", "max-age=10")},
		{name: "the first Age", policy: followed, response: header("Age", "4, 100", "Cache-Control", "max-age=10"),
			freshFor: 6 * time.Second},
		{name: "Date tells the age too", policy: followed, response: header("Date", in(-4*time.Second), "Cache-Control", "max-age=10"),
			freshFor: 6 * time.Second},
		{name: "CDN-Cache-Control counts alone", policy: followed,
			response: header("CDN-Cache-Control", "max-age=10", "Cache-Control", "no-store, private"), freshFor: 10 * time.Second},
		{name: "CDN-Cache-Control that is malformed", policy: followed,
			response: header("CDN-Cache-Control", "max-age=10,", "Cache-Control", "max-age=5"), freshFor: 5 * time.Second},
		{name: "CDN-Cache-Control of another type", policy: followed,
			response: header("CDN-Cache-Control", `max-age="10"`, "Cache-Control", "max-age=5")},
		{name: "private", policy: followed, response: header("Cache-Control", "private, max-age=10")},
		{name: "a comma within quotes ends nothing", policy: followed,
			response: header("Cache-Control", `ext="no-store, private", max-age=10`), freshFor: 10 * time.Second},
		{name: "Authorization forbids", policy: followed, request: header("Authorization", "x"),
			response: header("Cache-Control", "max-age=10")},
		{name: "Authorization with public", policy: followed, request: header("Authorization", "x"),
			response: header("Cache-Control", "public, max-age=10"), freshFor: 10 * time.Second},
		{name: "Authorization with s-maxage", policy: followed, request: header("Authorization", "x"),
			response: header("Cache-Control", "s-maxage=10"), freshFor: 10 * time.Second, mustCheck: true},
		{name: "Authorization with must-revalidate", policy: followed, request: header("Authorization", "x"),
			response: header("Cache-Control", "must-revalidate, max-age=10"), freshFor: 10 * time.Second, mustCheck: true},
		{name: "Vary: * fits no request", policy: followed, response: header("Vary", "Accept, *")},
		{name: "a cookie is for one client", policy: followed, response: header("Set-Cookie", "a=b", "Cache-Control", "max-age=10")},
		{name: "a cookie that is declared public", policy: followed,
			response: header("Set-Cookie", "a=b", "Cache-Control", "public, max-age=10"), freshFor: 10 * time.Second},
		{name: "stale-if-error keeps it longer", policy: followed,
			response: header("Cache-Control", "max-age=10, stale-while-revalidate=5, stale-if-error=30"), freshFor: 10 * time.Second,
			keptFor: 40*time.Second + keepStale},
		{name: "must-revalidate forbids what is stale", policy: followed,
			response: header("Cache-Control", "max-age=10, must-revalidate, stale-if-error=30"), freshFor: 10 * time.Second,
			mustCheck: true},
		{name: "a validator outlives freshness", policy: followed, response: header("Cache-Control", "max-age=10", "ETag", `"a"`),
			freshFor: 10 * time.Second, keptFor: 10*time.Second + keepToRevalidate},
		{name: "storage_ttl outlives freshness", policy: Policy{CacheControl: true, TTL: time.Second, StorageTTL: time.Hour},
			response: header(), freshFor: time.Second, keptFor: time.Hour},
		{name: "unfollowed, what is for one client", policy: Policy{TTL: time.Minute}, response: header("Cache-Control", "private")},
		{name: "unfollowed, no-store", policy: Policy{TTL: time.Minute}, response: header("Cache-Control", "no-store")},
		{name: "unfollowed, Authorization", policy: Policy{TTL: time.Minute}, request: header("Authorization", "x"), response: header()},
		{name: "unfollowed, only the operator's lifetime counts", policy: Policy{TTL: time.Minute, StorePrivate: true},
			request: header("Authorization", "x"), response: header("Cache-Control", "no-store, private, max-age=1", "Age", "70"),
			freshFor: time.Minute},
		{name: "unfollowed, Vary is honoured all the same", policy: Policy{TTL: time.Minute}, response: header("Vary", "*")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := &Entry{Status: max(tt.status, 200)}
			ok := tt.policy.Judge(e, Answer{Request: tt.request, Response: tt.response, Asked: now, Came: now})
			if ok != (tt.freshFor > 0 || tt.keptFor > 0) {
				t.Fatalf("storable: %t, want %t", ok, !ok)
			}
			if !ok {
				return
			}
			kept := tt.keptFor
			if kept == 0 {
				kept = tt.freshFor
				if tt.policy.CacheControl && !tt.mustCheck {
					kept += keepStale
				}
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
	strict := Entry{Generated: e.Generated, FreshUntil: e.FreshUntil, StaleWhileRevalidate: e.StaleWhileRevalidate, MustRevalidate: true}
	tests := []struct {
		name, cc string
		entry    *Entry
		after    time.Duration
		want     Verdict
	}{
		{name: "fresh", entry: e, want: Usable},
		{name: "the client takes nothing stored", cc: "no-cache", entry: e, want: Unusable},
		{name: "younger than asked", cc: "max-age=11", entry: e, want: Usable},
		{name: "older than asked", cc: "max-age=9", entry: e, want: Unusable},
		{name: "fresh for long enough", cc: "min-fresh=5", entry: e, want: Usable},
		{name: "not fresh for long enough", cc: "min-fresh=6", entry: e, want: Unusable},
		{name: "stale, another may be refreshing it", entry: e, after: 6 * time.Second, want: UsableBusy},
		{name: "stale beyond use", entry: e, after: 16 * time.Second, want: Unusable},
		{name: "stale as the client allows", cc: "max-stale=30", entry: e, after: 20 * time.Second, want: Usable},
		{name: "staler than the client allows", cc: "max-stale=3", entry: e, after: 20 * time.Second, want: Unusable},
		{name: "however stale", cc: "max-stale", entry: e, after: 20 * time.Hour, want: Usable},
		{name: "max-stale does not overrule must-revalidate", cc: "max-stale", entry: &strict, after: 20 * time.Second, want: Unusable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
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

func TestDates(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"Sun, 06 Nov 1994 08:49:37 GMT":     "1994-11-06",
		"sun, 06 nov 1994 08:49:37 gmt":     "1994-11-06",
		"Sunday, 06-Nov-94 08:49:37 GMT":    "1994-11-06",
		"Saturday, 01-Jun-75 00:00:00 GMT":  "2075-06-01",
		"Tuesday, 02-Jun-76 00:00:01 GMT":   "",
		"Wednesday, 02-Jun-76 00:00:01 GMT": "1976-06-02",
		"Sun Nov  6 08:49:37 1994":          "1994-11-06",
		"Sun Nov 6 08:49:37 1994":           "",
		"Mon, 06 Nov 1994 08:49:37 GMT":     "",
		"Sun, 06 Nov 1994 08:49:37 UTC":     "",
		"Sun, 06 Nov 1994 08:49:37 AEST":    "",
		"Sun,  06 Nov 1994 08:49:37 GMT":    "",
		"Sun, 6 Nov 1994 08:49:37 GMT":      "",
		"Sun, 06 Nov 1994 8:49:37 GMT":      "",
		"Sun, 06 Nov 94 08:49:37 GMT":       "",
		"Sun, 06-Nov-1994 08:49:37 GMT":     "",
		"Sun 06 Nov 1994 08:49:37 GMT":      "",
		"Sun, 06 Nov 1994 08:49:37.5 GMT":   "",
		"Sun, 06 Nov 1994 08:49:37":         "",
		"0":                                 "",
	} {
		got, ok := ParseDate([][]byte{[]byte(text)}, now)
		if ok != (want != "") || ok && got.Format(time.DateOnly) != want {
			t.Errorf("%q: %v %t, want %s", text, got, ok, want)
		}
	}
}

func TestTargetedField(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"max-age=10":                      10 * time.Second,
		" max-age=10 ,\tfoo;a=1;b ":       10 * time.Second,
		"max-age=1, max-age=10":           10 * time.Second,
		"max-age=10, x=(1 \"a\");q=0.5":   10 * time.Second,
		"a=:YQ==:, b=@5, c=?0, max-age=9": 9 * time.Second,
		"max-age=10;a=\"\\\"\"":           10 * time.Second,
		"max-age=99999999999":             mostSeconds * time.Second,
		"max-age=1.5":                     0,
		"max-age":                         0,
		"max-age=-1":                      0,
		"public":                          -1,
	} {
		if d, ok := targeted([][]byte{[]byte(text)}); !ok || d.MaxAge != want {
			t.Errorf("%q: %v %t, want %v", text, d.MaxAge, ok, want)
		}
	}
	for _, text := range []string{
		"", " ", ",", "max-age=10,", "max-age = 10", "Max-Age=10", "max-age=10 foo", "max-age=(1", "a=\"b", "a=1.", "a=1.2345",
		"a=1234567890123456", "a=?2", "a=:b", "a;", "a=@1.5", "a=\"\\b\"", "a=ü", "max-age=10;;",
	} {
		if _, ok := targeted([][]byte{[]byte(text)}); ok {
			t.Errorf("%q is well-formed", text)
		}
	}
}

func FuzzTargeted(f *testing.F) {
	for _, s := range []string{"max-age=1, private", "a=(1 2);b, no-store", "x=:YQ==:", "a=\"b\\\"\"", "a=?1;q", "=", "a=-", "*"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, v []byte) {
		d, ok := targeted([][]byte{v})
		if ok && (d.MaxAge < -1 || d.MaxAge > mostSeconds*time.Second) {
			t.Errorf("%q: %v is no lifetime", v, d.MaxAge)
		}
		if _, again := targeted([][]byte{v, []byte(",")}); ok && again {
			t.Errorf("%q goes on after a comma", v)
		}
	})
}
