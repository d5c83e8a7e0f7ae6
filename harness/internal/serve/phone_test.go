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

// Every page of the documentation fits a phone: it does not scroll sideways, wide tables and code scroll by
// themselves, and can be read in the
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
		if pixels, elements := p.TooWide(); pixels > 0 || len(elements) > 0 {
			t.Errorf("%s is %d px wider than the window; beyond its edge: %q", path, pixels, elements)
		}
		if got := p.Pale(); len(got) > 0 {
			t.Errorf("%s: hard to read in the dark: %q", path, got)
		}
		if strings.HasPrefix(path, "/docs/") {
			if top := chromium.Eval[float64](p, `document.querySelector("h1").getBoundingClientRect().top`); top > 300 {
				t.Errorf("%s begins %v px down: the list of pages should not come first", path, top)
			}
		}
	}
}
