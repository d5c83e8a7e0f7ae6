// Package serve shows runs in a browser: a list of them, each one's report, any
// two side by side, and one that is under way as it goes; and the documentation.
// It only reads, and only inside the folder of reports.
package serve

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gatelab/gatelab/docs"
	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/manual"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/internal/webguard"
)

// Config says where to listen and what to show.
type Config struct {
	Listen  string               // host:port; loopback unless another is asked for
	Hosts   []string             // further names by which browsers reach it
	Reports string               // the folder with runs/ and published/
	Ready   func(address string) // called once, when requests are answered; may be nil
	// Report writes a settled result as a page, for runs that have no report.html;
	// may be nil. Style is the style sheet of such a page, which ours build on.
	Report func(io.Writer, *result.Result) error
	Style  string
}

//go:embed *.html.tmpl
var pages embed.FS

//go:embed live.js
var liveScript string

//go:embed serve.css
var ownStyle string

// server answers requests. Its methods are safe for concurrent use.
type server struct {
	root      *os.Root // of the reports: nothing outside can be opened through it
	manual    *manual.Manual
	templates *template.Template
	guard     *webguard.Guard
	report    func(io.Writer, *result.Result) error // may be nil
	style     string
	cache     results
	followers chan struct{} // a place for each page that follows a run
	poll      time.Duration // how often a live log is read
}

// maxFollowers is how many pages may follow runs at a time.
const maxFollowers = 32

// Run serves until ctx ends, and then lets requests in flight finish.
func Run(ctx context.Context, c Config) error {
	root, err := os.OpenRoot(c.Reports)
	if err != nil {
		return fmt.Errorf("serve: reports: %w", err)
	}
	defer root.Close()
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("serve: listen: %w", err)
	}
	guard, err := webguard.New(webguard.Config{Listen: c.Listen, Hosts: c.Hosts})
	if err != nil {
		l.Close()
		return fmt.Errorf("serve: hosts: %w", err)
	}
	s, err := newServer(root, guard, c)
	if err != nil {
		l.Close()
		return err
	}
	// Requests end with ctx, so that a page that follows a run lets go.
	h := webguard.NewServer(s.handler(), webguard.Limits{
		Header: 5 * time.Second, Read: 10 * time.Second, Write: 30 * time.Second, Idle: time.Minute, HeaderBytes: 16 << 10,
	})
	h.BaseContext = func(net.Listener) context.Context { return ctx }
	done := make(chan error, 1)
	go func() { done <- h.Serve(l) }()
	if c.Ready != nil {
		c.Ready(l.Addr().String())
	}
	select {
	case err := <-done:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err = h.Shutdown(end)
	if served := <-done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

func newServer(root *os.Root, guard *webguard.Guard, c Config) (*server, error) {
	t, err := template.New("pages").Funcs(template.FuncMap{
		"rounded": figure.RoundedOr, "millis": figure.MillisOr, "percent": figure.PercentOr,
		"paired": pairedFigure, "ratio": ratioText, "known": func(s string) string { return cmp.Or(s, figure.NA) },
	}).ParseFS(pages, "*.html.tmpl")
	if err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	m, err := manual.Open(docs.Files)
	if err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	return &server{
		root: root, manual: m, templates: t, guard: guard, report: c.Report, style: c.Style + ownStyle,
		cache: results{known: map[string]known{}}, followers: make(chan struct{}, maxFollowers), poll: 500 * time.Millisecond,
	}, nil
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.list)
	mux.HandleFunc("GET /run/{folder}/{name}/{$}", s.open)
	mux.HandleFunc("GET /run/{folder}/{name}/{file}", s.file)
	mux.HandleFunc("GET /live/{folder}/{name}/{$}", s.live)
	mux.HandleFunc("GET /live/{folder}/{name}/events", s.events)
	mux.HandleFunc("GET /compare", s.compare)
	mux.HandleFunc("GET /docs/{page...}", s.docs)
	mux.HandleFunc("GET /docs/search", s.searchDocs)
	mux.HandleFunc("GET /style.css", text("text/css; charset=utf-8", s.style))
	mux.HandleFunc("GET /live.js", text("text/javascript; charset=utf-8", liveScript))
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	return s.guard.Wrap(withPolicy(mux))
}

// policy lets our own pages load our own style and script, and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:;" +
	" form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// withPolicy sets what every answer carries.
func withPolicy(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, q)
	})
}

func text(kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write([]byte(body))
	}
}
