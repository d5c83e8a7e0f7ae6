package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strconv"
	"time"

	"github.com/gatelab/gatelab/harness/internal/follow"
)

// maxLine is the longest line of a live log that is passed on.
const maxLine = 64 << 10

// breath is how often a follower with nothing to tell says that it is there.
const breath = 15 * time.Second

// live is the page that follows a run.
func (s *server) live(w http.ResponseWriter, q *http.Request) {
	if _, ok := s.run(w, q); ok {
		s.render(w, http.StatusOK, "live.html.tmpl", s.look(q.PathValue("folder"), q.PathValue("name")))
	}
}

// events sends a run's live log as server-sent events, from the place in the
// file that Last-Event-ID names, until the run ends or the reader goes.
func (s *server) events(w http.ResponseWriter, q *http.Request) {
	id, ok := s.run(w, q)
	if !ok {
		return
	}
	select {
	case s.followers <- struct{}{}:
		defer func() { <-s.followers }()
	default:
		s.problem(w, http.StatusServiceUnavailable, "Too many pages follow runs: close some.")
		return
	}
	f, err := s.root.Open(path.Join(id, follow.File))
	if err != nil {
		s.problem(w, http.StatusNotFound, "This run cannot be followed: it has no "+follow.File+".")
		return
	}
	defer f.Close()
	at, err := strconv.ParseInt(q.Header.Get("Last-Event-ID"), 10, 64)
	if err != nil || at < 0 {
		at = 0
	}
	w.Header().Set("Content-Type", "text/event-stream")
	t := tail{file: f, at: at, out: w, control: http.NewResponseController(w)}
	t.follow(q.Context(), s.poll)
}

// tail passes a growing file on.
type tail struct {
	file    *os.File
	at      int64 // what comes next
	out     io.Writer
	control *http.ResponseController
}

// follow passes lines on until the run's last one, or until ctx ends. An error
// means that the client is gone.
func (t *tail) follow(ctx context.Context, poll time.Duration) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	heard := time.Now()
	for {
		before := t.at
		ended, err := t.pass()
		if err != nil {
			return
		}
		switch {
		case t.at != before:
			heard = time.Now()
		case time.Since(heard) > breath:
			heard = time.Now()
			if err := t.write(": still here\n\n"); err != nil {
				return
			}
		}
		if ended {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// pass sends the whole lines that there are, and tells whether the run's last
// was among them.
func (t *tail) pass() (ended bool, err error) {
	buffer := make([]byte, maxLine)
	for {
		n, err := t.file.ReadAt(buffer, t.at)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		whole := bytes.LastIndexByte(buffer[:n], '\n') + 1
		if whole == 0 {
			if n == len(buffer) {
				t.at += int64(n) // no line of ours is that long
				continue
			}
			return false, nil
		}
		for line := range bytes.Lines(buffer[:whole]) {
			t.at += int64(len(line))
			e, err := follow.Parse(line)
			if err != nil {
				continue // half of a line that was skipped, or not ours
			}
			if err := t.send(e); err != nil {
				return false, err
			}
			if e.Kind == follow.End {
				return true, nil
			}
		}
	}
}

// send writes an event anew: nothing of the file goes out that is not known.
func (t *tail) send(e follow.Event) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return t.write(fmt.Sprintf("id: %d\ndata: %s\n\n", t.at, b))
}

func (t *tail) write(text string) error {
	// The server's time-out is for pages; a stream has one for each write.
	if err := t.control.SetWriteDeadline(time.Now().Add(10 * time.Second)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := io.WriteString(t.out, text); err != nil {
		return err
	}
	return t.control.Flush()
}
