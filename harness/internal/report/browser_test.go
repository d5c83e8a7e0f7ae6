package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/internal/testenv/chromium"
)

// published is the committed run.
const published = "../../../reports/published/ladder/result.json"

// pageFile writes a result's page to a file and returns its address.
func pageFile(t *testing.T, r *result.Result) string {
	t.Helper()
	r.Settle()
	var b bytes.Buffer
	if err := HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), result.FileHTML)
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return "file://" + path
}

func load(t *testing.T, path string) *result.Result {
	t.Helper()
	r, err := result.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// views are what a reader may have.
func views() map[string]chromium.View {
	return map[string]chromium.View{
		"desktop-light": {Width: 1280, Height: 900},
		"desktop-dark":  {Width: 1280, Height: 900, Dark: true},
		"phone-light":   {Width: 375, Height: 800, Touch: true},
		"phone-dark":    {Width: 390, Height: 844, Touch: true, Dark: true},
		"small-phone":   {Width: 360, Height: 640, Touch: true},
		"paper":         {Width: 794, Height: 1123, Print: true, Dark: true},
		"no-script":     {Width: 1280, Height: 900, NoScript: true},
	}
}

// TestThePageInABrowser opens the page of the published run, and of a sample of
// a gate's and a chaos run's results, in every view.
func TestThePageInABrowser(t *testing.T) {
	browser := chromium.Start(t)
	for _, run := range []struct{ name, path string }{
		{"published", published},
		{"published-matrix", "../../../reports/published/compare/result.json"},
		{"published-faults", "../../../reports/published/faults/result.json"},
		{"sample-gate", "testdata/sample-gate.json"},
		{"sample-chaos", "testdata/sample-chaos.json"},
	} {
		address := pageFile(t, load(t, run.path))
		for name, view := range views() {
			t.Run(run.name+"/"+name, func(t *testing.T) {
				p := browser.Open(t, address, view)
				if dir := os.Getenv("GATELAB_TEST_PICTURES"); dir != "" {
					p.Picture(filepath.Join(dir, run.name+"-"+name+".png"))
				}
				if got := p.Problems(); len(got) > 0 {
					t.Errorf("the page complains: %s", strings.Join(got, "\n"))
				}
				if got := p.Requests(); len(got) != 1 {
					t.Errorf("asked for %q: want the page alone", got)
				}
				if view.NoScript {
					return // it loaded, and Eval is a script
				}
				if pixels, elements := p.TooWide(); !view.Print && (pixels > 0 || len(elements) > 0) {
					t.Errorf("%d px wider than the window; beyond its edge: %q", pixels, elements)
				}
				if got := p.Pale(); len(got) > 0 {
					t.Errorf("hard to read: %q", got)
				}
			})
		}
	}
}

// TestTheColoursOfThePage looks at what the browser made of light, dark and
// print.
func TestTheColoursOfThePage(t *testing.T) {
	browser := chromium.Start(t)
	address := pageFile(t, load(t, published))
	const ground = `getComputedStyle(document.body).backgroundColor`
	want := map[string]string{"desktop-light": "rgb(255, 255, 255)", "desktop-dark": "rgb(18, 22, 28)", "paper": "rgb(255, 255, 255)"}
	for name, colour := range want {
		if got := chromium.Eval[string](browser.Open(t, address, views()[name]), ground); got != colour {
			t.Errorf("%s: the ground is %s, want %s", name, got, colour)
		}
	}
}

// TestHoverShowsAValue goes over a plot with the pointer, a finger and the keyboard.
func TestHoverShowsAValue(t *testing.T) {
	browser := chromium.Start(t)
	r := load(t, published)
	address := pageFile(t, r)
	const text = `document.getElementById("tip").hidden ? "" : document.getElementById("tip").textContent`
	const place = `(() => {
		const b = document.querySelector("svg.plot rect.s0[height='18']").getBoundingClientRect();
		scrollTo(0, b.top + scrollY - 200);
		const c = document.querySelector("svg.plot rect.s0[height='18']").getBoundingClientRect();
		return [c.left + c.width / 2, c.top + c.height / 2] })()`
	first := "baseline: " + figure.Rounded(*r.Stages[0].QPS) + " QPS (closed-loop)"

	p := browser.Open(t, address, views()["desktop-light"])
	if got := chromium.Eval[string](p, text); got != "" {
		t.Errorf("before anything was pointed at: %q", got)
	}
	at := chromium.Eval[[]float64](p, place)
	p.Hover(at[0], at[1])
	if got := chromium.Eval[string](p, text); got != first {
		t.Errorf("under the pointer: %q, want %q", got, first)
	}
	p.Hover(2, 2)
	if got := chromium.Eval[string](p, text); got != "" {
		t.Errorf("after the pointer left: %q", got)
	}
	chromium.Eval[any](p, `document.querySelector("svg.plot").focus()`)
	p.Press(chromium.KeyHome)
	if got := chromium.Eval[string](p, text); got != first {
		t.Errorf("after Home: %q, want %q", got, first)
	}
	p.Press(chromium.KeyRight)
	if got := chromium.Eval[string](p, text); got != "baseline, published: 200 QPS" {
		t.Errorf("after the right arrow: %q, want the next value", got)
	}
	p.Press(chromium.KeyEscape)
	if got := chromium.Eval[string](p, text); got != "" {
		t.Errorf("after Escape: %q", got)
	}

	p = browser.Open(t, address, views()["phone-light"])
	at = chromium.Eval[[]float64](p, place)
	p.Tap(at[0], at[1]+6) // beside it: a finger is not exact
	if got := chromium.Eval[string](p, text); got != first {
		t.Errorf("under a finger: %q, want %q", got, first)
	}
	if got := p.Problems(); len(got) > 0 {
		t.Errorf("the page complains: %q", got)
	}
}

// TestThePageHasEveryFigure compares the page, as it is shown, with the result.
func TestThePageHasEveryFigure(t *testing.T) {
	browser := chromium.Start(t)
	r := load(t, published)
	p := browser.Open(t, pageFile(t, r), views()["desktop-light"])
	text := chromium.Eval[string](p, `document.body.textContent`)
	var want []string
	for i := range r.Stages {
		s := &r.Stages[i]
		for _, g := range []grid{summaryGrid(r), latencyGrid(r), costGrid(r), publishedGrid(r), faultGrid(r), troubleGrid(r), checkGrid(s),
			outcomes("", "", s.Consumers), outcomes("", "", s.Mix), nodeGrid(r.Manifest.Stages[s.Name])} {
			for _, row := range g.Rows {
				want = append(want, row...)
			}
		}
		for _, f := range append(stageFacts(s), limitFacts(r)...) {
			want = append(want, f.Value)
		}
	}
	for _, f := range manifestFacts(&r.Manifest) {
		want = append(want, f.Value)
	}
	if len(want) < 500 {
		t.Fatalf("only %d figures to look for", len(want))
	}
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not on the page", w)
		}
	}
}

// TestThePageCanBeReadAloud checks what screen readers go by.
func TestThePageCanBeReadAloud(t *testing.T) {
	browser := chromium.Start(t)
	for _, path := range []string{published, "testdata/sample-gate.json", "testdata/sample-chaos.json"} {
		p := browser.Open(t, pageFile(t, load(t, path)), views()["phone-dark"])
		levels := chromium.Eval[[]int](p, `[...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map(h => +h.tagName[1])`)
		for i, level := range levels {
			if i == 0 && level != 1 || i > 0 && (level == 1 || level > levels[i-1]+1) {
				t.Errorf("%s: heading %d has level %d after %v", path, i, level, levels[:i])
			}
		}
		for what, query := range map[string]string{
			"table heads without a scope": `document.querySelectorAll("th:not([scope])").length`,
			"tables without row heads": `[...document.querySelectorAll("tbody tr")].
				filter(r => !r.querySelector("th[scope=row]")).length`,
			"plots without a name or description": `[...document.querySelectorAll("svg.plot")].
				filter(s => !s.getAttribute("aria-label") || !s.querySelector("desc")).length`,
			"plots that no key reaches": `[...document.querySelectorAll("svg.plot")].filter(s => s.tabIndex !== 0).length`,
			"tables that no key scrolls": `[...document.querySelectorAll(".scroll")].
				filter(s => s.tabIndex !== 0 || !s.getAttribute("aria-label")).length`,
			"addresses in the page that lead nowhere": `[...document.querySelectorAll("a")].
				filter(a => !document.getElementById(a.hash.slice(1))).length`,
			"ids that are there twice": `document.querySelectorAll("[id]").length -
				new Set([...document.querySelectorAll("[id]")].map(e => e.id)).size`,
			"documents without a language": `document.documentElement.lang ? 0 : 1`,
		} {
			if n := chromium.Eval[int](p, query); n != 0 {
				t.Errorf("%s: %d %s", path, n, what)
			}
		}
	}
}

func TestThePagePrints(t *testing.T) {
	browser := chromium.Start(t)
	p := browser.Open(t, pageFile(t, load(t, published)), chromium.View{Width: 1280, Height: 900, Dark: true, NoScript: true})
	pdf := p.PDF()
	pages := bytes.Count(pdf, []byte("/Type /Page\n"))
	if !bytes.HasPrefix(pdf, []byte("%PDF-")) || len(pdf) < 50_000 || pages < 3 || pages > 40 {
		t.Errorf("a PDF of %d bytes and %d pages: want 3 to 40 pages", len(pdf), pages)
	}
	if dir := os.Getenv("GATELAB_TEST_PICTURES"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, "published.pdf"), pdf, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
