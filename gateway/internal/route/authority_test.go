package route

import (
	"strings"
	"testing"
)

func TestCanonicalHost(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"a name", "a.example.com", "a.example.com"},
		{"a name with a port", "a.example.com:8000", "a.example.com:8000"},
		{"letters keep their case", "A.Example.COM:80", "A.Example.COM:80"},
		{"one trailing dot goes", "a.example.com.", "a.example.com"},
		{"also before a port", "a.example.com.:8000", "a.example.com:8000"},
		{"a colon without a port goes", "a.example.com:", "a.example.com"},
		{"a dot and a colon", "a.:", "a"},
		{"an underscore", "a_b.svc", "a_b.svc"},
		{"IPv4", "127.0.0.1:80", "127.0.0.1:80"},
		{"IPv6", "[2001:db8::1]", "[2001:db8::1]"},
		{"IPv6 with a port", "[::1]:8000", "[::1]:8000"},
		{"IPv6 with a colon", "[::1]:", "[::1]"},
	} {
		if got, ok := CanonicalHost(c.in); !ok || got != c.want {
			t.Errorf("%s: %q became %q, %v; want %q", c.name, c.in, got, ok, c.want)
		}
	}
	for _, c := range []struct{ name, in string }{
		{"nothing", ""}, {"a port alone", ":80"}, {"a dot alone", "."}, {"two dots at the end", "a.."}, {"an empty label", "a..b"},
		{"a leading dot", ".a"}, {"userinfo", "x@admin.example.com"}, {"a list", "a.example.com,b.example.com"},
		{"a list with a space", "a.example.com, b"}, {"a space", "a b"}, {"an escape", "%61dmin.example.com"}, {"a slash", "a/b"},
		{"a backslash", `a\b`}, {"a query", "a?b"}, {"a fragment", "a#b"}, {"a quote", `a"b`}, {"markup", "<script>"}, {"a port that is no number", "a:8x"},
		{"a port with a sign", "a:+80"}, {"a port that is too large", "a:65536"}, {"a long port", "a:000080"}, {"two ports", "a:1:2"},
		{"IPv6 without brackets", "::1"}, {"IPv6 with a zone", "[fe80::1%eth0]"}, {"IPv4 in brackets", "[127.0.0.1]"}, {"an open bracket", "[::1"},
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
