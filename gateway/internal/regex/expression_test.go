package regex

import (
	"slices"
	"strings"
	"testing"
)

// expensive are expressions and texts that a backtracking engine does not
// finish with.
var expensive = []struct{ expr, text string }{
	{`/re2/(?=a)(a+)+b$`, "/re2/" + strings.Repeat("a", 60)},
	{`/(?=a)(\w+\s?)*b$`, "/" + strings.Repeat("a", 60)},
	{`/(?=a)(?:aa?|a)*b$`, "/" + strings.Repeat("a", 60)},
	{`/(?!x)((a*)*)*b`, "/" + strings.Repeat("a", 60)},
	{`/(?!x)([a-z]+)*\d`, "/" + strings.Repeat("a", 60)},
	{`/(?!x)(?:(?:a?b?){40}){20}c`, "/" + strings.Repeat("ab", 60)},
	{`/(?=a)(?:a{1,9}?b??)+?c`, "/" + strings.Repeat("a", 60)},
	{`/(?=.*[/])(?:[^/]+/?)+;`, "/" + strings.Repeat("a", 60) + "/"},
	{`/(?!x)(?:a*b|a*c|a*)*d`, "/" + strings.Repeat("a", 60)},
}

// lengthy are dear only for long texts, which are refused one by one.
var lengthy = []struct{ expr, text string }{
	{`/(?=.*x)(.*)(.*)(.*)(.*)y`, "/x" + strings.Repeat("a", 400)},
	{`/(?=é)(?:é|[^a])*?(?:é|[^b])*?b`, "/" + strings.Repeat("é", 4000)},
	{`/(\w{1,500})\1\1x`, "/" + strings.Repeat("a", 4000)},
	{`/(?=a)(?>a|b|c)*?(?<=(a|b)*)x`, "/" + strings.Repeat("a", 4000)},
	{`/(.*)(.*)/\2\1(?!a)`, strings.Repeat("/a", 4000)},
	{`/.*a[a-z]{400}b`, "/" + strings.Repeat("a", 4000)}, // RE2
}

// TestAnEvaluationEnds counts steps, so that it holds on a busy machine too;
// BenchmarkBound says how long they take.
func TestAnEvaluationEnds(t *testing.T) {
	for _, c := range append(slices.Clone(expensive), lengthy...) {
		e, err := CompilePath(c.expr)
		if err != nil {
			if strings.Contains(err.Error(), "at most") {
				continue
			}
			t.Fatal(err)
		}
		var w Work
		_, ok := e.Match(c.text, &w)
		if ok || !w.Exhausted() || w.steps > maxSteps+len(c.text)+maxText {
			t.Fatalf("%s: matches %v, %+v", c.expr, ok, w)
		}
		spent := w.steps
		if _, ok := e.Match("/", &w); ok || w.steps != spent {
			t.Errorf("%s: evaluated after the work was used up", c.expr)
		}
	}
}

// BenchmarkBound is how long the dearest evaluations take, until they are
// broken off.
func BenchmarkBound(b *testing.B) {
	for _, c := range append(slices.Clone(expensive), lengthy...) {
		e, err := CompilePath(c.expr)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.expr, func(b *testing.B) {
			for b.Loop() {
				var w Work
				e.Match(c.text, &w)
			}
		})
	}
}

// TestManyExpressionsShareOneBound evaluates what is cheap enough alone.
func TestManyExpressionsShareOneBound(t *testing.T) {
	e, err := CompilePath(`/(?!private)(?:.*)(?:.*)z`)
	if err != nil {
		t.Fatal(err)
	}
	text := "/" + strings.Repeat("a", 200)
	var w Work
	if e.Match(text, &w); w.Exhausted() || w.steps < 1000 {
		t.Fatalf("one: %+v", w)
	}
	for range maxSteps / w.steps {
		e.Match(text, &w)
	}
	if !w.Exhausted() || w.steps > maxSteps+1000 {
		t.Errorf("many: %+v", w)
	}
}

func TestCheckRefusesWhatIsTooExpensive(t *testing.T) {
	for _, c := range expensive {
		e, err := CompilePath(c.expr)
		if err == nil {
			err = e.Check()
		}
		if err == nil {
			t.Errorf("%s is taken", c.expr)
		}
	}
	for _, expr := range []string{
		`/files/(?!private/)(?:[^/]+/)*[^/]+$`, `/(?=a)(a+)b$`, `/(\w+)/\1/edit$`, `/(?>[a-z]+)(?:-[a-z0-9]+)*(?!/)`,
		`/api/v(?!1)\d+/users/(?<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?=/|$)`, `/(?!.*\.\.)(?:[\w.-]+/?)$`,
		`/(?!admin|internal|metrics)(.*)$`, `/(?<lang>[a-z]{2})(?:/\k<lang>)?/.*(?<!\.php)$`,
	} {
		e, err := CompilePath(expr)
		if err == nil {
			err = e.Check()
		}
		if err != nil {
			t.Errorf("%s: %v", expr, err)
		} else if !e.Backtracks() {
			t.Errorf("%s: RE2 takes it", expr)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{`/(a{1000}){1000}`, "a repetition, with those inside it, is at most 1000 times"},
		{`/a{1001}`, "at most 1000 times"},
		{`/a{2000}(?=b)`, "at most 1000 times"},
		{`/(?=b)a{2000}`, "repeats something 2000 times; at most 1000 are allowed"},
		{`/(?=b)(?:ab){3,2000}`, "at most 1000 are allowed"},
		{`/[a-z]{1000}[a-z]{1000}[a-z]{1000}`, "needs a program of"},
		{`/(?:\pL\pN){900}`, "needs a program of"},
		{strings.Repeat("(", 1100) + strings.Repeat(")", 1100), "nests too deeply"},
		{`/` + strings.Repeat("a", 5000), "is 5001 bytes long; at most 4096 are allowed"},
		{"/\xff", "not UTF-8"},
		{`/(`, "missing closing )"},
		{`/a)(b`, "unexpected )"},
		{`/a**`, "invalid nested repetition operator"},
		{`/(?<a-b>x)`, "invalid"},
		{`/\1`, "invalid escape sequence"},
	} {
		for _, compile := range []func(string) (*Expression, error){CompilePath, CompileHeader} {
			if _, err := compile(c.expr); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%.40s: %v, want %s", c.expr, err, c.want)
			}
		}
	}
}

func TestCapture(t *testing.T) {
	for _, c := range []struct{ expr, text, group, want string }{
		{expr: `/(?<a>\w+)/(\d+)`, text: "/x/12/", group: "a", want: "x"},
		{expr: `/(?<a>\w+)/(\d+)`, text: "/x/12/", group: "2", want: "12"},
		{expr: `/(?<a>\w+)/(\d+)`, text: "/x/12/", group: "3"},
		{expr: `/(?<a>\w+)/(\d+)`, text: "/x/12/", group: "-1"},
		{expr: `/(?<a>\w+)/(\d+)`, text: "/x", group: "a"},
		{expr: `/(?<a>\w+)/(\d+)(?=/)`, text: "/x/12/", group: "a", want: "x"},
		{expr: `/(?<a>\w+)/(\d+)(?=/)`, text: "/x/12/", group: "1", want: "12"}, // named groups are numbered after the others
		{expr: `/(?<a>\w+)/(\d+)(?=/)`, text: "/x/12", group: "a"},
		{expr: `/(?<a>é)(b)?(?!c)`, text: "/é", group: "a", want: "é"},
		{expr: `/(?<a>é)(b)?(?!c)`, text: "/é", group: "1"},
	} {
		e, err := CompilePath(c.expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Capture(c.text, c.group, &Work{}); got != c.want {
			t.Errorf("%s on %s: group %s is %q, want %q", c.expr, c.text, c.group, got, c.want)
		}
	}
}

// FuzzCompile wants no panic, and no evaluation beyond the bounds, from any
// expression.
func FuzzCompile(f *testing.F) {
	for _, c := range engineCases {
		f.Add(c.expr, c.texts[0])
	}
	for _, c := range append(slices.Clone(expensive), lengthy...) {
		f.Add(c.expr, c.text[:20])
	}
	f.Add(`/(a{1000}){1000}`, "/a")
	f.Add(`/\p{L}{2,}(?i)É`, "/é")
	f.Fuzz(func(t *testing.T, expr, text string) {
		for _, compile := range []func(string) (*Expression, error){CompilePath, CompileHeader} {
			e, err := compile(expr)
			if err != nil {
				continue
			}
			if e.size > maxSize+4 {
				t.Errorf("a program of %d instructions", e.size)
			}
			_ = e.Check()
			var w Work
			end, ok := e.Match(text, &w)
			if end > len(text) || w.steps > maxSteps+len(text)+len(expr) || ok && w.Exhausted() {
				t.Errorf("ends at %d of %d, matches %v, %+v", end, len(text), ok, w)
			}
			e.Capture(text, "1", &w)
		}
	})
}
