// Package chromium opens pages in a headless Chromium for tests: at any size,
// light or dark, and with all that the page complained of or asked for.
package chromium

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience is what a browser may take for one thing that a test asks of it.
const patience = 30 * time.Second

// Browser is a running Chromium.
type Browser struct{ ctx context.Context }

// Start starts a Chromium that ends with the test. The short tests leave it out;
// otherwise that there is none is a failure. GATELAB_TEST_CHROMIUM names one that
// is elsewhere.
func Start(t *testing.T) *Browser {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser: left out of the short tests")
	}
	path := find()
	if path == "" {
		t.Fatal("no Chromium: install it (make deps; Debian: apt-get install chromium) or name it in GATELAB_TEST_CHROMIUM")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.Flag("disable-dev-shm-usage", true), chromedp.DisableGPU)
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium refuses root otherwise
	}
	ctx, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	ctx, end = chromedp.NewContext(ctx)
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return &Browser{ctx: ctx}
}

func find() string {
	if p := os.Getenv("GATELAB_TEST_CHROMIUM"); p != "" {
		return p
	}
	for _, name := range []string{
		"chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
	} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	return ""
}

// View is how a page is displayed: sizes in CSS pixels.
type View struct {
	Width, Height int64
	Dark, Touch   bool
	Print         bool // the print style sheet, on the screen
	NoScript      bool
}

// Page is a page in a tab of its own.
type Page struct {
	ctx context.Context
	t   *testing.T

	mu       sync.Mutex
	problems []string
	requests []string
}

// Open opens a page. The tab closes with the test.
func (b *Browser) Open(t *testing.T, url string, v View) *Page {
	t.Helper()
	ctx, end := chromedp.NewContext(b.ctx)
	t.Cleanup(end)
	p := &Page{ctx: ctx, t: t}
	if err := chromedp.Listen(ctx, p.note); err != nil {
		t.Fatalf("browser: %v", err)
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "light"}}}
	if v.Dark {
		media.Features[0].Value = "dark"
	}
	if v.Print {
		media.Media = "print"
	}
	p.do(
		call(network.Enable, network.EnableParams{}),
		call(log.Enable, cdp.Empty{}),
		call(runtime.Enable, cdp.Empty{}),
		call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: v.NoScript}),
		call(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: v.Width, Height: v.Height, DeviceScaleFactor: 1, Mobile: v.Touch,
		}),
		call(emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: v.Touch}),
		call(emulation.SetEmulatedMedia, media),
		chromedp.Navigate(url),
	)
	return p
}

// call is a protocol command whose answer does not matter.
func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

// note collects what the page complains of and asks for.
func (p *Page) note(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		p.problems = append(p.problems, "exception: "+text)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			p.problems = append(p.problems, fmt.Sprintf("console %s: %s", e.Type, arguments(e.Args)))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			p.problems = append(p.problems, fmt.Sprintf("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
		}
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	}
}

func arguments(args []*runtime.RemoteObject) string {
	text := ""
	for _, a := range args {
		text += " " + string(a.Value) + a.Description
	}
	return text
}

func (p *Page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, end := context.WithTimeout(p.ctx, patience)
	defer end()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("browser: %v", err)
	}
}

func get[T any](p *Page, a chromedp.Action[T]) T {
	p.t.Helper()
	ctx, end := context.WithTimeout(p.ctx, patience)
	defer end()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		p.t.Fatalf("browser: %v", err)
	}
	return v
}

// Problems are the errors and warnings of the console, exceptions and what the
// page's policy refused.
func (p *Page) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.problems...)
}

// Requests are the addresses that were asked for, the page's own included.
func (p *Page) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.requests...)
}

// Eval is what a JavaScript expression comes to.
func Eval[T any](p *Page, expression string) T {
	p.t.Helper()
	return get(p, chromedp.Evaluate[T](expression))
}

// WaitFor waits until a JavaScript condition holds.
func (p *Page) WaitFor(condition string) {
	p.t.Helper()
	p.do(chromedp.Poll[chromedp.Void](condition, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(patience)))
}

// Hover puts the pointer at a place of the window.
func (p *Page) Hover(x, y float64) {
	p.t.Helper()
	p.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, x, y))
}

// Tap touches a place of the window.
func (p *Page) Tap(x, y float64) {
	p.t.Helper()
	p.do(chromedp.TapXY(x, y))
}

// The keys that tests press.
const (
	KeyHome   = kb.Home
	KeyRight  = kb.ArrowRight
	KeyEscape = kb.Escape
)

// Press presses a key where the focus is.
func (p *Page) Press(key string) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(key))
}

// PDF prints the page on A4.
func (p *Page) PDF() []byte {
	p.t.Helper()
	return get(p, chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4)))
}

// Picture writes the whole page as a PNG, for people to look at.
func (p *Page) Picture(path string) {
	p.t.Helper()
	if err := os.WriteFile(path, get(p, chromedp.FullScreenshot(100)), 0o644); err != nil {
		p.t.Fatal(err)
	}
}
