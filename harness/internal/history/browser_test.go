package history

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/gatelab/gatelab/internal/testenv/chromium"
)

// TestThePageInABrowser opens the page at desktop and phone width, and without
// scripts, of which it has none.
func TestThePageInABrowser(t *testing.T) {
	browser := chromium.Start(t)
	runs := nightly(20, 12)
	*runs[4].Manifest.Dirty = true
	var b bytes.Buffer
	if err := HTML(&b, Of(append(runs, single(40)), options())); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "history.html")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, view := range map[string]chromium.View{
		"desktop": {Width: 1280, Height: 900},
		"phone":   {Width: 375, Height: 800, Touch: true, Dark: true},
	} {
		t.Run(name, func(t *testing.T) {
			page := browser.Open(t, "file://"+path, view)
			if dir := os.Getenv("GATELAB_TEST_PICTURES"); dir != "" {
				page.Picture(filepath.Join(dir, "history-"+name+".png"))
			}
			if got := page.Problems(); len(got) > 0 {
				t.Errorf("the page complains: %q", got)
			}
			scroll := chromium.Eval[int](page, `document.documentElement.scrollWidth`)
			if room := chromium.Eval[int](page, `document.documentElement.clientWidth`); scroll > room {
				t.Errorf("%d px wide in a window of %d px", scroll, room)
			}
			// A mark has its place and its colour only if the style was allowed.
			stroke := chromium.Eval[string](page, `getComputedStyle(document.querySelector("line.change.worse")).strokeDasharray`)
			if stroke != "4px, 3px" {
				t.Errorf("the mark of the change point has the dashes %q", stroke)
			}
			if dots := chromium.Eval[int](page, `document.querySelectorAll(".plot circle.dirty").length`); dots != 6 {
				t.Errorf("%d hollow dots: want one of each metric", dots)
			}
		})
	}
}
