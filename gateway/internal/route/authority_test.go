package route

import (
	"strings"
	"testing"
)

func TestCanonicalHost(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{name: "a name", in: "a.example.com", want: "a.example.com"},
		{name: "a name with a port", in: "a.example.com:8000", want: "a.example.com:8000"},
		{name: "letters keep their case", in: "A.Example.COM:80", want: "A.Example.COM:80"},
		{name: "one trailing dot goes", in: "a.example.com.", want: "a.example.com"},
		{name: "also before a port", in: "a.example.com.:8000", want: "a.example.com:8000"},
		{name: "a colon without a port goes", in: "a.example.com:", want: "a.example.com"},
		{name: "a dot and a colon", in: "a.:", want: "a"},
		{name: "an underscore", in: "a_b.svc", want: "a_b.svc"},
		{name: "IPv4", in: "127.0.0.1:80", want: "127.0.0.1:80"},
		{name: "IPv6", in: "[2001:db8::1]", want: "[2001:db8::1]"},
		{name: "IPv6 with a port", in: "[::1]:8000", want: "[::1]:8000"},
		{name: "IPv6 with a colon", in: "[::1]:", want: "[::1]"},
	} {
		if got, ok := CanonicalHost(c.in); !ok || got != c.want {
			t.Errorf("%s: %q became %q, %v; want %q", c.name, c.in, got, ok, c.want)
		}
	}
	for _, c := range []struct{ name, in string }{
		{"nothing", ""}, {"a port alone", ":80"}, {"a dot alone", "."}, {"two dots at the end", "a.."}, {"an empty label", "a..b"},
		{"a leading dot", ".a"}, {"userinfo", "x@admin.example.com"}, {"a list", "a.example.com,b.example.com"},
		{"a list with a space", "a.example.com, b"}, {"a space", "a b"}, {"an escape", "%61dmin.example.com"}, {"a slash", "a/b"},
		{"a backslash", `a\b`}, {"a query", "a?b"}, {"a fragment", "a#b"}, {"a quote", `a"b`}, {"markup",
			"<script>"}, {"a port that is no number", "a:8x"},
		{"a port with a sign", "a:+80"}, {"a port that is too large", "a:65536"}, {"a long port", "a:000080"}, {"two ports", "a:1:2"},
		{"IPv6 without brackets", "::1"}, {"IPv6 with a zone", "[fe80::1%eth0]"}, {"IPv4 in brackets", "[127.0.0.1]"}, {"an open bracket",
			"[::1"},
		{"bytes after the bracket", "[::1]x"}, {"not ASCII", "ä.example"}, {"a control character", "a\x00b"}, {"a semicolon", "a;b"},
		{"too long", strings.Repeat("a", 256)},
	} {
		if got, ok := CanonicalHost(c.in); ok {
			t.Errorf("%s: %q was taken as %q", c.name, c.in, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { CanonicalHost("a.example.com.") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzCanonicalHost(f *testing.F) {
	for _, s := range []string{"a.example.com.:80", "[::1]:80", "x@y", "a,b", "", ":", "a.."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once, ok := CanonicalHost(s)
		if !ok {
			return
		}
		if twice, ok := CanonicalHost(once); !ok || twice != once {
			t.Errorf("%q became %q, and then %q, %v", s, once, twice, ok)
		}
		if strings.ContainsAny(once, " \t\r\n,@/\\?#%\"<>") || strings.HasSuffix(once, ".") || strings.HasSuffix(once, ":") {
			t.Errorf("%q became %q", s, once)
		}
		name, _ := cutPort(once)
		if name == "" {
			t.Errorf("%q became %q, which has no name", s, once)
		}
	})
}
