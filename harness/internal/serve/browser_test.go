package serve

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/follow"
	"github.com/gatelab/gatelab/internal/testenv/chromium"
)

// TestThePagesInABrowser opens every page at desktop and phone width.
func TestThePagesInABrowser(t *testing.T) {
	browser := chromium.Start(t)
	h := start(t, reports(t))
	for name, path := range map[string]string{
		"list": "/", "compare": "/compare?a=published/ladder&b=runs/newer-x%3Cb%3E", "report": "/run/published/ladder/",
		"over": "/live/runs/20261123T110000Z-pool/", "missing-log": "/live/published/ladder/", "problem": "/compare",
		"docs": "/docs/", "docs-page": "/docs/getting-started", "docs-table": "/docs/settings", "docs-search": "/docs/search?q=latency",
	} {
		for size, view := range map[string]chromium.View{"desktop": {Width: 1280, Height: 900},
			"phone": {Width: 375, Height: 800, Touch: true, Dark: true}} {
			t.Run(name+"/"+size, func(t *testing.T) {
				p := browser.Open(t, h.URL+path, view)
				if dir := os.Getenv("GATELAB_TEST_PICTURES"); dir != "" {
					p.Picture(filepath.Join(dir, "serve-"+name+"-"+size+".png"))
				}
				if got := p.Problems(); len(got) > 0 && name != "problem" { // there the answer is 400
					t.Errorf("the page complains: %q", got)
				}
				scroll, room := chromium.Eval[int](
					p,
					`document.documentElement.scrollWidth`,
				), chromium.Eval[int](
					p,
					`document.documentElement.clientWidth`,
				)
				if scroll > room {
					t.Errorf("%d px wide in a window of %d px", scroll, room)
				}
			})
		}
	}
}

// TestARunIsFollowedInABrowser watches a run from its beginning to its end.
func TestARunIsFollowedInABrowser(t *testing.T) {
	browser := chromium.Start(t)
	dir := reports(t)
	h := start(t, dir)
	const name = "20261123T120000Z-cache"
	log, err := follow.Create(filepath.Join(dir, "runs", name))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	log.Add(follow.Event{Kind: follow.Begin, Text: evil})
	page := browser.Open(t, h.URL+"/live/runs/"+name+"/", chromium.View{Width: 375, Height: 800, Touch: true})
	page.WaitFor(`document.getElementById("phase").textContent.includes("alert(1)")`)
	for i := range 30 {
		log.Add(follow.Event{Kind: follow.Attack, Stage: "cache", Model: "open", State: "running", ElapsedS: p(float64(i)), TotalS: p(30.0),
			QPS: p(9000.0 + float64(i)), P50MS: p(1.5), P99MS: p(20.0 + float64(i)), ErrorRate: p(0.0102), HitRatio: p(0.97)})
	}
	log.Add(follow.Event{Kind: follow.Fault, Text: "fault kill gateway-2: injected"})
	page.WaitFor(`document.querySelector("#log .fault") && document.querySelector("#plot-qps .mark") &&
		document.getElementById("qps").textContent === "9,029"`)
	want := map[string]string{
		"p50":    "1.50 ms",
		"p99":    "49.0 ms",
		"errors": "1.0%",
		"hits":   "97.0%",
		"state":  "running",
		"clock":  "29 of 30 s",
		"phase":  "cache open-loop: running",
	}
	for id, text := range want {
		if got := chromium.Eval[string](page, `document.getElementById("`+id+`").textContent`); got != text {
			t.Errorf("%s: %q, want %q", id, got, text)
		}
	}
	if dir := os.Getenv("GATELAB_TEST_PICTURES"); dir != "" {
		page.Picture(filepath.Join(dir, "serve-live-phone.png"))
	}
	log.Add(follow.Event{Kind: follow.End, Valid: p(true)})
	page.WaitFor(`document.getElementById("state").textContent === "valid" && document.querySelector("#phase a")`)
	if got := page.Problems(); len(got) > 0 {
		t.Errorf("the page complains: %q", got)
	}
}
