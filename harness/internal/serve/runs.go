package serve

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatelab/gatelab/harness/internal/follow"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// folders are where runs are, inside the reports: what was just run, and what
// is committed.
func folders() []string { return []string{"runs", "published", "baseline"} }

// States of a run in the list.
const (
	stateValid   = "valid"
	stateInvalid = "INVALID"
	stateRunning = "running"
	stateStopped = "no report" // it ended without one
	stateBroken  = "unreadable"
)

// silence is after how long without a word a run that has not ended is taken
// for dead. To make images the first time takes minutes.
const silence = 10 * time.Minute

// run is one line of the list.
type run struct {
	ID    string // folder/name
	Path  string // ID, escaped for an address
	State string
	// Warnings counts those of all stages of a run with figures.
	Warnings int
	Why      string // of an unreadable one
	At       time.Time
	result.Summary
	Followable bool // it has a live log
}

// Open is the address of the page that shows the run.
func (r run) Open() string {
	if r.State == stateRunning {
		return "/live/" + r.Path + "/"
	}
	return "/run/" + r.Path + "/"
}

// Title is what a run is called: its scenario, as long as that is not known
// what its folder is named after.
func (r run) Title() string {
	if r.Scenario != "" {
		return r.Scenario
	}
	name := path.Base(r.ID)
	if _, scenario, ok := strings.Cut(name, "Z-"); ok {
		return scenario
	}
	return name
}

// Reported tells whether there are figures.
func (r run) Reported() bool { return r.State == stateValid || r.State == stateInvalid }

// Follow is where a run is followed.
func (r run) Follow() string { return "/live/" + r.Path + "/" }

// list shows all runs, newest first.
func (s *server) list(w http.ResponseWriter, _ *http.Request) {
	var all []run
	for _, folder := range folders() {
		entries, err := fs.ReadDir(s.root.FS(), folder)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			http.Error(w, "the reports cannot be read", http.StatusInternalServerError)
			return
		}
		for _, e := range entries {
			if e.IsDir() && allowed(folder, e.Name()) {
				all = append(all, s.look(folder, e.Name()))
			}
		}
	}
	slices.SortStableFunc(all, func(a, b run) int { return b.At.Compare(a.At) })
	s.render(w, http.StatusOK, "list.html.tmpl", all)
}

// allowed tells whether folder/name may name a run. Whatever gets past it still
// cannot leave the root.
func allowed(folder, name string) bool {
	return slices.Contains(folders(), folder) && name != "" && name[0] != '.' && !strings.ContainsAny(name, `/\`) &&
		fs.ValidPath(folder+"/"+name)
}

// look is what can be said of a run without measuring it again.
func (s *server) look(folder, name string) run {
	r := run{ID: folder + "/" + name, Path: folder + "/" + url.PathEscape(name)}
	last, heard := s.lastEvent(r.ID)
	r.Followable = !heard.IsZero()
	res, err := s.cache.read(s.root, r.ID)
	switch {
	case err == nil:
		r.Summary = res.Summary()
		r.At, r.State = res.StartedAt, stateInvalid
		r.Warnings = len(res.Warnings())
		if res.Valid {
			r.State = stateValid
		}
	case !errors.Is(err, fs.ErrNotExist):
		r.State = stateBroken
		r.Why = err.Error()
		r.At = heard
	case last.Kind != follow.End && time.Since(heard) < silence:
		r.State, r.At = stateRunning, heard
	default:
		r.State = stateStopped
		r.At = heard
		r.Why = last.Text
	}
	return r
}

// lastEvent is the last line of a run's live log, and when it was written; the
// zero time where there is none.
func (s *server) lastEvent(id string) (follow.Event, time.Time) {
	f, err := s.root.Open(path.Join(id, follow.File))
	if err != nil {
		return follow.Event{}, time.Time{}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return follow.Event{}, time.Time{}
	}
	tail := make([]byte, min(info.Size(), maxLine))
	if _, err := f.ReadAt(tail, info.Size()-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return follow.Event{}, info.ModTime()
	}
	lines := bytes.Split(bytes.TrimRight(tail, "\n"), []byte("\n"))
	e, err := follow.Parse(lines[len(lines)-1])
	if err != nil {
		return follow.Event{}, info.ModTime()
	}
	return e, info.ModTime()
}

// results keeps what was read of result.json files until they change.
type results struct {
	mu    sync.Mutex
	known map[string]known // by run
}

type known struct {
	size   int64
	at     time.Time
	result *result.Result
}

// maxResult is the largest result.json that is read.
const maxResult = 64 << 20

// read reads a run's result, settled. The Result is shared: it must not be
// changed.
func (c *results) read(root *os.Root, id string) (*result.Result, error) {
	f, err := root.Open(path.Join(id, result.FileJSON))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxResult {
		return nil, fmt.Errorf("%s: not a file of at most %d MiB", result.FileJSON, maxResult>>20)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.known[id]; ok && k.size == info.Size() && k.at.Equal(info.ModTime()) {
		return k.result, nil
	}
	b, err := io.ReadAll(io.LimitReader(f, maxResult))
	if err != nil {
		return nil, err
	}
	r, err := result.Parse(b)
	if err != nil {
		return nil, err
	}
	r.Settle()
	c.known[id] = known{info.Size(), info.ModTime(), r}
	return r, nil
}

// open shows a run: its report, or its live page where there is none.
func (s *server) open(w http.ResponseWriter, q *http.Request) {
	id, ok := s.run(w, q)
	if !ok {
		return
	}
	if _, err := s.root.Stat(path.Join(id, result.FileHTML)); err == nil {
		s.send(w, q, id, result.FileHTML)
		return
	}
	if r, err := s.cache.read(s.root, id); err == nil && s.report != nil {
		var b bytes.Buffer
		if err := s.report(&b, r); err == nil {
			w.Header().Set("Content-Security-Policy", sandbox)
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(b.Bytes())
			return
		}
	}
	http.Redirect(w, q, "/live/"+q.PathValue("folder")+"/"+url.PathEscape(q.PathValue("name"))+"/", http.StatusSeeOther)
}

// run is the run that a request names; otherwise it answers 404.
func (s *server) run(w http.ResponseWriter, q *http.Request) (id string, ok bool) {
	folder, name := q.PathValue("folder"), q.PathValue("name")
	if allowed(folder, name) {
		if info, err := s.root.Stat(folder + "/" + name); err == nil && info.IsDir() {
			return folder + "/" + name, true
		}
	}
	s.problem(w, http.StatusNotFound, "There is no such run.")
	return "", false
}

// kinds are the files of a run that are shown, and what they are.
func kinds() map[string]string {
	const plain = "text/plain; charset=utf-8"
	return map[string]string{
		result.FileHTML: "text/html; charset=utf-8", result.FileJSON: "application/json", result.FileMarkdown: plain,
		result.FileBench: plain, result.FileLadder: "image/svg+xml", follow.File: plain,
	}
}

// pictures are the kinds of picture that a run may have, by extension.
func pictures() map[string]string {
	return map[string]string{".svg": "image/svg+xml", ".png": "image/png"}
}

// sandbox lets a report run its own script, cut off from this server: the
// report's own policy, which it carries, is stricter still.
const sandbox = "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; frame-ancestors 'none'"

// file sends one file of a run.
func (s *server) file(w http.ResponseWriter, q *http.Request) {
	if id, ok := s.run(w, q); ok {
		s.send(w, q, id, q.PathValue("file"))
	}
}

func (s *server) send(w http.ResponseWriter, q *http.Request, id, name string) {
	kind, ok := kinds()[name]
	if !ok {
		kind, ok = pictures()[path.Ext(name)]
	}
	if !ok {
		s.problem(w, http.StatusNotFound, "A run has no such file.")
		return
	}
	f, err := s.root.Open(path.Join(id, name))
	if err != nil {
		s.problem(w, http.StatusNotFound, "This run has no "+name+".")
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		s.problem(w, http.StatusNotFound, "This run has no "+name+".")
		return
	}
	w.Header().Set("Content-Security-Policy", sandbox)
	w.Header().Set("Content-Type", kind)
	http.ServeContent(w, q, name, info.ModTime(), f)
}

func (s *server) problem(w http.ResponseWriter, status int, what string) {
	s.render(w, status, "problem.html.tmpl", what)
}

// render writes a page whole or not at all.
func (s *server) render(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := s.templates.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, "the page cannot be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}
