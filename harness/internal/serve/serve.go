// Package serve shows runs in a browser: a list of them, each one's report, any
// two side by side, and one that is under way as it goes. It only reads, and
// only inside the folder of reports.
package serve

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"gatelab/harness/internal/report"
)

// Config says where to listen and what to show.
type Config struct {
	Listen  string               // host:port; loopback unless somebody wants it otherwise
	Reports string               // the folder with runs/ and published/
	Ready   func(address string) // called once, when requests are answered; may be nil
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
	templates *template.Template
	loopback  bool // answers only to loopback's names
	cache     results
	followers chan struct{} // a place for each page that follows a run
	poll      time.Duration // how often a live log is looked at
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
	s, err := newServer(root, isLoopback(l.Addr().String()))
	if err != nil {
		l.Close()
		return err
	}
	// Requests end with ctx, so that a page that follows a run lets go.
	h := &http.Server{
		Handler: s.handler(), BaseContext: func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
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

func newServer(root *os.Root, loopback bool) (*server, error) {
	t, err := template.ParseFS(pages, "*.html.tmpl")
	if err != nil {
		return nil, fmt.Errorf("serve: %w", err)
	}
	return &server{root: root, templates: t, loopback: loopback, cache: results{known: map[string]known{}}, followers: make(chan struct{}, maxFollowers), poll: 500 * time.Millisecond}, nil
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.list)
	mux.HandleFunc("GET /run/{folder}/{name}/{$}", s.open)
	mux.HandleFunc("GET /run/{folder}/{name}/{file}", s.file)
	mux.HandleFunc("GET /live/{folder}/{name}/{$}", s.live)
	mux.HandleFunc("GET /live/{folder}/{name}/events", s.events)
	mux.HandleFunc("GET /compare", s.compare)
	mux.HandleFunc("GET /style.css", text("text/css; charset=utf-8", report.Style()+ownStyle))
	mux.HandleFunc("GET /live.js", text("text/javascript; charset=utf-8", liveScript))
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	return s.guard(mux)
}

// policy lets our own pages load our own style and script, and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard sets what every answer carries, and refuses names that are not ours: a
// foreign page must not reach a server on loopback by pointing its name there.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if s.loopback && !isLoopback(q.Host) {
			http.Error(w, "this server answers to localhost only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, q)
	})
}

// isLoopback tells whether an address, with or without a port, is loopback's.
func isLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if host == "localhost" {
		return true
	}
	if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

func text(kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write([]byte(body))
	}
}
