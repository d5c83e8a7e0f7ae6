package chromium_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/internal/testenv/chromium"
)

const misfit = `<!doctype html><body style="background:#111;color:#eee"><p>good</p><p style="color:#444">dark on dark</p>
<div style="overflow-x:auto"><table><tr><td style="min-width:900px">scrolled</td></tr></table></div>
<div style="background:color-mix(in srgb, white 60%, transparent)"><span>light on light</span></div>
<p style="width:600px" class="wide">too wide</p></body>`

func TestMisfitsAreFound(t *testing.T) {
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(misfit)) }))
	defer h.Close()
	p := chromium.Start(t).Open(t, h.URL, chromium.View{Width: 390, Height: 844})
	if pixels, elements := p.TooWide(); pixels < 200 || len(elements) != 1 || !strings.HasPrefix(elements[0], "P wide") {
		t.Errorf("%d px, %q: want the paragraph alone", pixels, elements)
	}
	got := p.Pale()
	if len(got) != 2 || !strings.HasSuffix(got[0], "dark on dark") || !strings.HasSuffix(got[1], "light on light") {
		t.Errorf("pale are %q, want two", got)
	}
}
