package serve

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/docs"
	"github.com/gatelab/gatelab/harness/internal/manual"
	"github.com/gatelab/gatelab/internal/testenv/chromium"
)

// outside are elements beyond the window's right edge that nothing around them scrolls or hides.
const outside = `[...document.querySelectorAll("body *")].filter(e => {
	if (e.getBoundingClientRect().right <= document.documentElement.clientWidth + 1) return false;
	for (let p = e; p !== document.body; p = p.parentElement)
		if (["auto", "scroll", "hidden"].includes(getComputedStyle(p).overflowX) || p.closest("svg, .skip, #tip")) return false;
	return true;
}).slice(0, 5).map(e => e.tagName + " " + e.className + " " + e.textContent.slice(0, 40))`

// pale are texts whose contrast with the ground below them is under 4.5 to 1, as WCAG 2 computes it; SVG and images are left out.
const pale = `(() => {
	const rgb = c => (c.match(/[\d.]+/g) || []).map(Number);
	const light = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b };
	const ground = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] !== 0) return c }
		return [255, 255, 255] };
	return [...document.querySelectorAll("body *")].filter(e => !e.closest("svg, .skip, [hidden]") && e.offsetParent &&
		[...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())).map(e => {
			const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
			return [(a + 0.05) / (b + 0.05), e.tagName + "." + e.className + " " + e.textContent.trim().slice(0, 30)] })
		.filter(([ratio]) => ratio < 4.5).slice(0, 5).map(([ratio, what]) => ratio.toFixed(1) + " " + what) })()`

// Every page of the documentation fits a phone: it does not scroll sideways, wide tables and code scroll by themselves, and can be read in the
// dark.
func TestEveryPageFitsAPhone(t *testing.T) {
	m, err := manual.Open(docs.Files)
	if err != nil {
		t.Fatal(err)
	}
	browser := chromium.Start(t)
	h := start(t, reports(t))
	paths := []string{"/", "/compare?a=published/ladder&b=runs/newer-x%3Cb%3E", "/run/published/ladder/"}
	for _, p := range m.Pages() {
		paths = append(paths, "/docs/"+p.Name)
	}
	for _, path := range paths {
		p := browser.Open(t, h.URL+path, chromium.View{Width: 390, Height: 844, Touch: true, Dark: true})
		if dir := os.Getenv("GATELAB_TEST_PICTURES"); dir != "" {
			p.Picture(filepath.Join(dir, "phone-"+strings.NewReplacer("/", "-", "?", "-").Replace(path)+".png"))
		}
		if wide := chromium.Eval[int](p, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
			t.Errorf("%s is %d px wider than the window", path, wide)
		}
		if got := chromium.Eval[[]string](p, outside); len(got) > 0 {
			t.Errorf("%s: beyond the edge, and nothing scrolls it: %q", path, got)
		}
		if got := chromium.Eval[[]string](p, pale); len(got) > 0 {
			t.Errorf("%s: hard to read in the dark: %q", path, got)
		}
	}
}
