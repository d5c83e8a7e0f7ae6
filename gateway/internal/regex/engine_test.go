package regex

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// engineCases are expressions that RE2 does not take, with texts that go
// through each kind of instruction.
var engineCases = []struct {
	expr  string
	texts []string
}{
	{`/a(?!b)c*`, []string{"/a", "/ab", "/accc", "/x"}},
	{`/(?=a)(a+)+b$`, []string{"/aab", "/aac", "/ab", "/b"}},
	{`/(?<x>\w+)-\k<x>`, []string{"/ab-ab", "/ab-ac", "/a-a", "/abc-abcd"}},
	{`/(\w+)/\1/(\d{2,4})(?=$|/)`, []string{"/a/a/123", "/a/b/123", "/ab/ab/12345", "/a/a/1/"}},
	{`/(?>a*)b`, []string{"/aaab", "/b", "/aaa"}},
	{`/(?>a*)ab`, []string{"/aaab"}},
	{`/.*(?<=x)y`, []string{"/xy", "/axyxy", "/ay", "/éxy"}},
	{`/.*(?<!x+)y`, []string{"/xy", "/axyzy", "/ay"}},
	{`/.*(?<=(ab|c)+)d`, []string{"/ababd", "/abcd", "/ad"}},
	{`/(a|ab)(c|bcd)(d*)(?=$)`, []string{"/abcd", "/abcdd", "/acd"}},
	{`/(?:a{2,3}?){1,2}(?!a)`, []string{"/aaaa", "/aaaaa", "/aaaaaaa", "/a"}},
	{`/(?:ab|c){0,3}?d(?=e)`, []string{"/ababcde", "/de", "/ababababde"}},
	{`/(a*)*?(?=b)b`, []string{"/aab", "/b", "/aac"}},
	{`/(?:a?)*?(?=b)`, []string{"/aab", "/b"}},
	{`/(a)?(?(1)b|c)`, []string{"/ab", "/c", "/ac", "/b"}},
	{`/(?(?=a)ab|cd)`, []string{"/ab", "/cd", "/ad"}},
	{`/[^/]+(?=/x)/\w+\b(?!-)`, []string{"/ab/xyz", "/ab/xyz-", "/ab/yz"}},
	{`/[a-z-[aeiou]]+$`, []string{"/bcd", "/abc", "/xyz"}},
	{`/(?i)aBc(?=D)`, []string{"/ABCd", "/abcD", "/abd", "/ABC"}},
	{`/(?i)(é)\1(?!x)`, []string{"/éÉ", "/Éé", "/éx"}},
	{`/\p{L}+(?!\p{L})`, []string{"/äöü1", "/äöü", "/1"}},
	{`(?m)/a$(?=\n)\n^b`, []string{"/a\nb", "/a\n", "/ab"}},
	{`/\w+?(?=\d)\d\B\w`, []string{"/ab12", "/a1", "/ab1 2"}},
	{`/(?<n>a)|(?=b)(?<m>b)`, []string{"/a", "/b", "b", "/c"}},
	{`/(?:(?:a{3}){2}|b){2}(?=c)`, []string{"/aaaaaabc", "/bbc", "/aaaaaaaaaaaac", "/abc"}},
	{`/.(?!\x00)[^\x80]`, []string{"/\xff\xfe", "/\xe2\x82A", "/é"}},
	{`/(?:.|..)+(?=z)`, []string{"/ééz", "/\xe2\x82zé", "/abc"}},
	{`/(?<=^/)(a|b)*?c(?<=bc)`, []string{"/abc", "/aac", "/c"}},
	{`/(?!)`, []string{"/a"}},
}

// TestEngineAgreesWithRegexp2 compares the machine with regexp2's own, which
// runs the same program.
func TestEngineAgreesWithRegexp2(t *testing.T) {
	for _, c := range engineCases {
		compare(t, c.expr, c.texts...)
	}
}

func compare(t *testing.T, expr string, texts ...string) {
	t.Helper()
	for _, use := range []struct {
		fold     bool
		anchored bool
		prefix   string
		options  regexp2.RegexOptions
	}{{anchored: true, prefix: `\A`}, {fold: true, options: regexp2.IgnoreCase}} {
		p, err := newProgram(expr, use.fold)
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		oracle := regexp2.MustCompile(use.prefix+"(?:"+expr+")", use.options)
		for _, text := range texts {
			want, err := oracle.FindStringMatch(text)
			if err != nil {
				t.Fatal(err)
			}
			m := p.run(text, use.anchored, &Work{})
			if (m != nil) != (want != nil) {
				t.Errorf("%s (%+v) on %q: %v, want %v", expr, use, text, m != nil, want)
				continue
			}
			if m == nil {
				continue
			}
			for name := range 4 {
				g := want.GroupByNumber(name)
				if g == nil {
					continue
				}
				slot, ok := p.slot(g.Name)
				got := ""
				if ok && m.groups[slot].start >= 0 {
					got = text[m.groups[slot].start:m.groups[slot].end]
				}
				if !ok || utf8.ValidString(text) && got != g.String() {
					t.Errorf("%s (%+v) on %q: group %s is %q, want %q", expr, use, text, g.Name, got, g.String())
				}
			}
			m.release()
		}
	}
}

func FuzzEngineAgreesWithRegexp2(f *testing.F) {
	for _, c := range engineCases {
		for _, text := range c.texts {
			f.Add(c.expr, text)
		}
	}
	f.Fuzz(func(t *testing.T, expr, text string) {
		if len(expr) > 60 || len(text) > 30 || !utf8.ValidString(expr) || strings.HasSuffix(text, "\n") {
			return
		}
		p, err := newProgram(expr, false)
		if err != nil {
			return
		}
		oracle, err := regexp2.Compile(`\A(?:`+expr+")", regexp2.None)
		if err != nil {
			return
		}
		oracle.MatchTimeout = 1e9
		w := &Work{}
		m := p.run(text, true, w)
		if w.Exhausted() {
			return
		}
		want, err := oracle.FindStringMatch(text)
		if err != nil {
			return
		}
		if (m != nil) != (want != nil) {
			t.Fatalf("%q on %q: %v, want %v", expr, text, m != nil, want)
		}
		if m != nil {
			if n := utf8.RuneCountInString(text[:m.groups[0].end]); n != want.Length {
				t.Fatalf("%q on %q: %d characters, want %d", expr, text, n, want.Length)
			}
			m.release()
		}
	})
}
