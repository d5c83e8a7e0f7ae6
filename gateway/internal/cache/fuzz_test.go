package cache

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

func FuzzCacheControl(f *testing.F) {
	for _, s := range []string{"max-age=1", `no-cache="a,b", private`, `x="\",",max-stale`, "max-age=99999999999999999999", "=,,=", `"`,
		`\`, `ext="no-store, private", s-maxage=3`, "Max-Age = \"5\"", "private=\"", "max-age=-1, max-age=5"} {
		f.Add([]byte(s), []byte("no-store"))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		one := ParseCacheControl([][]byte{first})
		both := ParseCacheControl([][]byte{first, second})
		for name, d := range map[string]time.Duration{"max-age": one.MaxAge, "s-maxage": one.SMaxAge, "stale-if-error": one.StaleIfError} {
			if d < -1 || d > 1<<31*time.Second {
				t.Errorf("%q: %s is %s", first, name, d)
			}
		}
		// A second line takes nothing back.
		if one.NoStore && !both.NoStore || one.Private && !both.Private || one.NoCache && !both.NoCache ||
			one.MaxAge >= 0 && (both.MaxAge < 0 || both.MaxAge > one.MaxAge) {
			t.Errorf("%q and %q: %+v after %+v", first, second, both, one)
		}
		if !bytes.ContainsRune(first, '"') && bytes.Equal(bytes.ToLower(bytes.TrimSpace(first)), []byte("private")) && !one.Private {
			t.Errorf("%q is not private", first)
		}
	})
}

func FuzzVary(f *testing.F) {
	for _, s := range []string{"Accept-Encoding", "accept-encoding, X-A,, x-a", "*", "a, *", ",", " ", "A\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		names, ok := varyNames([][]byte{value})
		if !ok {
			if !bytes.Contains(value, []byte("*")) {
				t.Errorf("%q stands for anything", value)
			}
			return
		}
		if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
			t.Errorf("%q: %q", value, names)
		}
		for _, n := range names {
			if n == "" || n == "*" || n != strings.ToLower(n) || strings.Contains(n, ",") {
				t.Errorf("%q: %q", value, n)
			}
		}
		again, ok := varyNames([][]byte{[]byte(strings.Join(names, ", "))})
		if !ok || !slices.Equal(again, names) {
			t.Errorf("%q: %q, read again %q", value, names, again)
		}
	})
}

func FuzzAcceptEncoding(f *testing.F) {
	for _, s := range []string{"gzip, br", "identity, gzip;q=0", "*;q=0.000", "gzip;q=", "gzip;Q=1.0", "x-gzip", "*", "gzip;q=0, *",
		"gzip, gzip;q=0.", ";q=1"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		if !accepts([][]byte{value}, "gzip") {
			return
		}
		low := bytes.ToLower(value)
		if !bytes.Contains(low, []byte("gzip")) && !bytes.Contains(low, []byte("*")) {
			t.Errorf("%q accepts gzip", value)
		}
		if !accepts([][]byte{value, value}, "gzip") || accepts([][]byte{value, []byte("gzip;q=0")}, "gzip") {
			t.Errorf("%q: a second line is not joined to it", value)
		}
	})
}

func TestAcceptEncoding(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "x-gzip": true, "br": false, "br, gzip;q=0.1": true, "gzip;q=0": false, "gzip; q=0.000": false,
		"*": true, "*;q=0": false, "gzip, *;q=0": true, "*, gzip;q=0": false, "identity": false, "gzip;q=x": false, "gzip;q=1.000": true,
		"gzipped": false,
	} {
		e := &Entry{Encoding: codings([][]byte{[]byte("X-Gzip")})}
		request := header()
		if accept != "" {
			request = header("Accept-Encoding", accept)
		}
		if got := e.AcceptedBy(request); got != want {
			t.Errorf("Accept-Encoding: %s: %t, want %t", accept, got, want)
		}
	}
	two := &Entry{Encoding: codings([][]byte{[]byte("gzip, identity"), []byte("br")})}
	if two.AcceptedBy(header("Accept-Encoding", "gzip")) || !two.AcceptedBy(header("Accept-Encoding", "gzip, br")) {
		t.Errorf("two codings, %q", two.Encoding)
	}
	if !(&Entry{}).AcceptedBy(header()) {
		t.Error("a plain body is refused")
	}
}

func TestEncodedAnswersAreVariantsAndKeepTheirCoding(t *testing.T) {
	now := time.Now()
	e := &Entry{Status: 200, Header: []Field{{[]byte("Content-Encoding"), []byte("gzip")}}}
	encoded := Answer{Request: header(), Response: header("Content-Encoding", "gzip"), Came: now}
	if !(Policy{TTL: time.Minute}).Judge(e, encoded) || e.Encoding != "gzip" ||
		!slices.Equal(e.Vary, []string{"accept-encoding"}) {
		t.Errorf("%q varies on %q", e.Encoding, e.Vary)
	}
	got, err := decode(encode(nil, e))
	if err != nil || got.Encoding != "gzip" {
		t.Errorf("from Redis: %q %v", got.Encoding, err)
	}
}
