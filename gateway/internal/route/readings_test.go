package route

import (
	"slices"
	"testing"
)

func TestReadings(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{name: "an escaped slash", in: "/x/..%2Fadmin", want: "/admin"},
		{name: "an escape of an escape", in: "/x/%252e%252e/admin", want: "/admin"},
		{name: "an escape of a letter's escape", in: "/%2561dmin", want: "/admin"},
		{name: "an escape that a stray percent sign begins", in: "/%25361dmin", want: "/%361dmin"},
		{name: "a path parameter", in: "/..;/admin", want: "/admin"},
		{name: "a parameter in a later segment", in: "/x/..;a=b/admin", want: "/admin"},
		{name: "an escaped parameter", in: "/x/..%3B/admin", want: "/admin"},
		{name: "a backslash", in: `/x\..\admin`, want: "/admin"},
		{name: "a NUL", in: "/\x00/admin", want: "/admin"},
		{name: "what precedes a NUL", in: "/admin\x00.png", want: "/admin"},
		{name: "a space", in: "/ admin", want: "/admin"},
		{name: "a trailing dot", in: "/admin.", want: "/admin"},
		{name: "overlong dots", in: "/x/\xc0\xae\xc0\xae/admin", want: "/admin"},
		{name: "overlong dots in three bytes", in: "/x/\xe0\x80\xae\xe0\x80\xae/admin", want: "/admin"},
		{name: "an overlong slash in four bytes", in: "/x/..\xf0\x80\x80\xafadmin", want: "/admin"},
		{name: "an overlong letter", in: "/\xc1\xa1dmin", want: "/admin"},
		{name: "a full-width slash", in: "/x/..\xef\xbc\x8fadmin", want: "/admin"},
		{name: "a full-width letter", in: "/\xef\xbd\x81dmin", want: "/admin"},
		{name: "three escapes in one another", in: "/%252561dmin", want: "/admin"},
		{name: "an empty segment with merging", in: "/pub/%2F../admin", want: "/admin"},
		{name: "and without", in: "/pub/x%2F%2F..%2Fadmin", want: "/pub/x/admin"},
		{name: "two kinds at once", in: `/x\..;\admin`, want: "/admin"},
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
		{base: "/base", path: "/base", want: true}, {base: "/base", path: "/base/x", want: true}, {base: "/base",
			path: "/based"}, {base: "/base/", path: "/base/x", want: true},
		{base: "/base", path: "/x"}, {path: "/x", want: true}, {base: "/", path: "/x", want: true},
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
