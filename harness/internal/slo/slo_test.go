package slo

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{name: "as capacity always had it", text: "p99<50ms,errors<0.1%", want: "p99<50ms,errors<0.1%"},
		{name: "blanks", text: " p99 <= 50 ms , errors<=2 %", want: "p99<=50ms,errors<=2%"},
		{
			name: "every percentile", text: "p50<1ms,p90<2ms,p95<3ms,p99<4ms,p99.9<5ms,max<1s,mean<500us",
			want: "p50<1ms,p90<2ms,p95<3ms,p99<4ms,p99.9<5ms,max<1s,mean<500us",
		},
		{name: "the names of k6", text: "p(95)<500ms,med<1ms,avg<2ms", want: "p95<500ms,p50<1ms,mean<2ms"},
		{name: "what is better the higher", text: "availability>=99.9%,qps>500,hits>0.9", want: "availability>=99.9%,qps>500,hits>90%"},
		{name: "one request", text: "p99{login}<250ms,errors{login}<=0%,qps{login}>10", want: "p99{login}<250ms,errors{login}<=0%,qps{login}>10"},
		{name: "nodes", text: "cpu<200us,cpu{lb}<1ms,memory{gateway-1}<0.25GiB", want: "cpu<200us,cpu{lb}<1ms,memory{gateway-1}<256MiB"},
		{name: "a share of hundredths stays one", text: "errors<7%", want: "errors<7%"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := Parse(row.text)
			if err != nil || got.String() != row.want {
				t.Fatalf("%q, %v: want %q", got, err, row.want)
			}
			again, err := Parse(got.String())
			if err != nil || again.String() != got.String() {
				t.Errorf("read again: %q, %v", again, err)
			}
		})
	}
}

func TestMistakesAreNamedWithTheirPlace(t *testing.T) {
	for _, row := range []struct {
		name, text string
		column     int
		want       string
	}{
		{
			name: "a metric that does not exist", text: "errors<1%, p98<50ms", column: 12,
			want: `unknown metric "p98" (did you mean "p99"?): want one of p50, `,
		},
		{name: "a misspelt one", text: "availabity>99%", column: 1, want: `(did you mean "availability"?)`},
		{name: "no objective", text: "p99<1s,", column: 8, want: "want an objective, such as p99<250ms"},
		{name: "no text", text: "", column: 1, want: "want an objective"},
		{name: "the wrong direction", text: "qps<500", column: 4, want: "qps is better the higher it is: want > or >=, as in qps>500"},
		{name: "equality", text: "p99==5ms", column: 4, want: `the comparison "==" is not allowed`},
		{name: "no comparison", text: "p99 50ms", column: 5, want: "the comparison is missing"},
		{name: "no unit", text: "p99<50", column: 5, want: `the limit "50" is not allowed: p99 wants a time with its unit`},
		{name: "no limit", text: "p99<", column: 5, want: "the limit is missing"},
		{name: "more than all", text: "errors<200%", column: 8, want: "a percentage up to 100%"},
		{name: "a share that may be a percentage", text: "errors<1", column: 8, want: "a share below 1"},
		{name: "a negative limit", text: "p99<-1ms", column: 5, want: `the limit "-1ms"`},
		{name: "what never happens", text: "errors<0%", column: 8, want: "errors is never below 0: want errors<=0"},
		{name: "what never happens above", text: "availability>100%", column: 14, want: "never above 100%: want availability>=100%"},
		{name: "a time of zero", text: "p99<=0ms", column: 6, want: "the limit 0 is not allowed"},
		{name: "braces where none are", text: "hits{a}>1%", column: 5, want: "hits is of the whole stage: want no {a}"},
		{name: "empty braces", text: "p99{}<1ms", column: 4, want: `"" is not the name of a request`},
		{name: "the same twice", text: "p99<1ms,p99<2ms", column: 9, want: "p99 has an objective already"},
		{name: "braces left open", text: "p99{a<1ms", column: 4, want: "the comparison"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := Parse(row.text)
			var wrong *Error
			if !errors.As(err, &wrong) {
				t.Fatalf("%v, %v: want an error with a place", got, err)
			}
			if wrong.Column != row.column || !strings.Contains(err.Error(), row.want) {
				t.Errorf("%v\nwant column %d and %q", err, row.column, row.want)
			}
		})
	}
}

func TestMet(t *testing.T) {
	for _, row := range []struct {
		text  string
		value float64
		met   bool
	}{
		{"p99<50ms", 50, false},
		{"p99<=50ms", 50, true},
		{"errors<=0%", 0, true},
		{"errors<=0%", 0.001, false},
		{"qps>500", 500, false},
		{"qps>=500", 500, true},
		{"availability>=99.9%", 0.999, true},
		{"memory<1GiB", 1024.5, false},
	} {
		all, err := Parse(row.text)
		if err != nil {
			t.Fatal(err)
		}
		if all[0].Met(row.value) != row.met {
			t.Errorf("%s with %v: want met %v", row.text, row.value, row.met)
		}
	}
}

func TestCheckRefusesWhatThereIsNot(t *testing.T) {
	for text, want := range map[string]string{
		"p99{logn}<1ms":      `slo: "p99{logn}<1ms" is not allowed: unknown request "logn" (did you mean "login"?): want one of login`,
		"cpu{gatway}<1ms":    `unknown role of nodes "gatway" (did you mean "gateway"?)`,
		"cpu{gateway-1}<1ms": `unknown role of nodes "gateway-1"`,
	} {
		all, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := all.Check([]string{"login"}, []string{"gateway", "lb"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	all, err := Parse("p99{login}<1ms,memory{gateway-2}<1GiB,cpu{lb}<1ms,p99<1s")
	if err == nil {
		err = all.Check([]string{"login"}, []string{"gateway", "lb"})
	}
	if err != nil {
		t.Error(err)
	}
}

// Whatever is read is written so that it is read again as the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"p99<50ms,errors<0.1%", "p(99.9){a-b} <= 1.5 s", "memory{gateway-1}<1e9MiB", "hits>.5", "<", "{}", "p99<9e999s",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := Parse(text)
		if err != nil {
			return
		}
		for _, o := range all {
			if o.Limit < 1e-3 || o.Limit > 1e9 {
				return // beyond the six decimals that are written
			}
		}
		again, err := Parse(all.String())
		if err != nil || again.String() != all.String() {
			t.Errorf("%q: written as %q, read again as %q, %v", text, all, again, err)
		}
	})
}

// The document has a row for every metric, with an example that is read.
func TestDocumentListsEveryMetric(t *testing.T) {
	b, err := os.ReadFile("../../../docs/slo.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range Describe() {
		if row := "| `" + m[0] + "` | `" + m[1] + "` | " + m[2] + " |\n"; !strings.Contains(string(b), row) {
			t.Errorf("docs/slo.md has no row %s", row)
		}
		if _, err := Parse(m[1]); err != nil {
			t.Error(err)
		}
	}
}
