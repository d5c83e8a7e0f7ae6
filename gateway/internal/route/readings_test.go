package route

import (
	"slices"
	"testing"
)

func TestReadings(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"an escaped slash", "/x/..%2Fadmin", "/admin"},
		{"an escape of an escape", "/x/%252e%252e/admin", "/admin"},
		{"an escape of a letter's escape", "/%2561dmin", "/admin"},
		{"an escape that a stray percent sign begins", "/%25361dmin", "/%361dmin"},
		{"a path parameter", "/..;/admin", "/admin"},
		{"a parameter in a later segment", "/x/..;a=b/admin", "/admin"},
		{"an escaped parameter", "/x/..%3B/admin", "/admin"},
		{"a backslash", `/x\..\admin`, "/admin"},
		{"a NUL", "/\x00/admin", "/admin"},
		{"what precedes a NUL", "/admin\x00.png", "/admin"},
		{"a space", "/ admin", "/admin"},
		{"a trailing dot", "/admin.", "/admin"},
		{"overlong dots", "/x/\xc0\xae\xc0\xae/admin", "/admin"},
		{"overlong dots in three bytes", "/x/\xe0\x80\xae\xe0\x80\xae/admin", "/admin"},
		{"an overlong slash in four bytes", "/x/..\xf0\x80\x80\xafadmin", "/admin"},
		{"an overlong letter", "/\xc1\xa1dmin", "/admin"},
		{"a full-width slash", "/x/..\xef\xbc\x8fadmin", "/admin"},
		{"a full-width letter", "/\xef\xbd\x81dmin", "/admin"},
		{"three escapes in one another", "/%252561dmin", "/admin"},
		{"an empty segment with merging", "/pub/%2F../admin", "/admin"},
		{"and without", "/pub/x%2F%2F..%2Fadmin", "/pub/x/admin"},
		{"two kinds at once", `/x\..;\admin`, "/admin"},
	} {
		if Plain(c.in) {
			t.Errorf("%s: %q is taken for plain", c.name, c.in)
		}
		if got := Readings(c.in); !slices.Contains(got, c.want) {
			t.Errorf("%s: %q is read as %q; want %q among them", c.name, c.in, got, c.want)
		}
	}
}

func TestPlainPathsHaveOneReading(t *testing.T) {
	for _, p := range []string{"/", "/a/b.c", "/.well-known/x", "/a/b:c@d+e,f=g", "/ä", "/a~b_c-d/(e)!"} {
		if !Plain(p) {
			t.Errorf("%q is not taken for plain", p)
		}
		if got := Readings(p); len(got) != 0 {
			t.Errorf("%q is also read as %q", p, got)
		}
	}
	plain := false
	if n := testing.AllocsPerRun(100, func() { plain = Plain("/ai/v1/models/17.json") }); n != 0 || !plain {
		t.Errorf("%v allocations, plain %v", n, plain)
	}
}

func TestUnescapeAndWithin(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"/a%2Fb", "/a/b"}, {"/x/..%2Fadmin", "/admin"}, {`/x\..\admin`, "/admin"}, {"/a%3Bb", "/a%3Bb"}, {"/a/b", "/a/b"},
	} {
		if got := Unescape(c.in); got != c.want {
			t.Errorf("%q became %q, want %q", c.in, got, c.want)
		}
	}
	for _, c := range []struct {
		base, path string
		want       bool
	}{
		{"/base", "/base", true}, {"/base", "/base/x", true}, {"/base", "/based", false}, {"/base/", "/base/x", true},
		{"/base", "/x", false}, {"", "/x", true}, {"/", "/x", true},
	} {
		if got := Within(c.base, c.path); got != c.want {
			t.Errorf("%q within %q: %v, want %v", c.path, c.base, got, c.want)
		}
	}
}

func FuzzReadings(f *testing.F) {
	for _, s := range []string{"/x/..%2fadmin", "/..;/a", "/%25252e", "/\x00\xc0\xae", `/a\b`, "/./../."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := Normalize("/" + s)
		got := Readings(p)
		if Plain(p) && len(got) != 0 {
			t.Errorf("%q is plain and has readings %q", p, got)
		}
		if len(got) > maxReadings {
			t.Errorf("%d readings", len(got))
		}
		for _, r := range got {
			if r == p || r != Normalize(r) && Normalize(Normalize(r)) != Normalize(r) {
				t.Errorf("%q is read as %q", p, r)
			}
		}
	})
}
