package serve

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/follow"
)

// event reads the next server-sent event.
func event(t *testing.T, r *bufio.Scanner) (id string, e follow.Event) {
	t.Helper()
	for r.Scan() {
		switch text := r.Text(); {
		case strings.HasPrefix(text, "id: "):
			id = text[4:]
		case strings.HasPrefix(text, "data: "):
			e, err := follow.Parse([]byte(text[6:]))
			if err != nil {
				t.Fatal(err)
			}
			return id, e
		}
	}
	t.Fatalf("the stream ended: %v", r.Err())
	return "", e
}

func TestARunIsFollowed(t *testing.T) {
	dir := reports(t)
	h := start(t, dir)
	log, err := follow.Create(filepath.Join(dir, "runs", "20261123T120000Z-cache"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	log.Add(follow.Event{Kind: follow.Begin, Text: "cache"})
	ctx, cancel := context.WithTimeout(context.Background(), waitFor)
	defer cancel()
	address := h.URL + "/live/runs/20261123T120000Z-cache/events"
	open := func(last string) *bufio.Scanner {
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Last-Event-ID", last)
		res, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		if got := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || got != "text/event-stream" {
			t.Fatalf("%d, %s", res.StatusCode, got)
		}
		return bufio.NewScanner(res.Body)
	}
	first := open("")
	id, e := event(t, first)
	if e.Text != "cache" {
		t.Errorf("first event %+v", e)
	}
	log.Add(follow.Event{Kind: follow.Attack, Stage: "cache", QPS: p(9000.0)})
	if _, e = event(t, first); e.Stage != "cache" || *e.QPS != 9000 {
		t.Errorf("second event %+v", e)
	}
	// A client that reconnects gets only what it has not had.
	second := open(id)
	if _, e = event(t, second); e.Kind != follow.Attack {
		t.Errorf("after coming back: %+v", e)
	}
	log.Add(follow.Event{Kind: follow.End, Valid: p(true)})
	for _, r := range []*bufio.Scanner{first, second} {
		if _, e = event(t, r); e.Kind != follow.End {
			t.Errorf("at the end: %+v", e)
		}
		for r.Scan() {
			if r.Text() != "" {
				t.Errorf("after the end: %q", r.Text())
			}
		}
	}
}

func TestALogThatIsNotOursIsPassedOver(t *testing.T) {
	dir := reports(t)
	put(t, filepath.Join(dir, "runs", "odd", follow.File), "null\nnot json\n"+strings.Repeat("x", 3*maxLine)+"\n"+
		`{"kind":"step","text":"kept","unknown":"<b>"}`+"\n"+`{"kind":"end"}`+"\n"+`{"kind":"step","text":"after"}`+"\n")
	_, _, body := get(t, start(t, dir).URL+"/live/runs/odd/events")
	if n := strings.Count(body, "data: "); n != 2 || !strings.Contains(body, "kept") || strings.Contains(body, "unknown") ||
		strings.Contains(body, "after") {
		t.Errorf("got %q", body)
	}
}

func TestHowManyMayFollow(t *testing.T) {
	root, err := os.OpenRoot(reports(t))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s, err := newServer(root, loopbackGuard(t), withReports)
	if err != nil {
		t.Fatal(err)
	}
	for range maxFollowers {
		s.followers <- struct{}{}
	}
	h := httptest.NewServer(s.handler())
	defer h.Close()
	if status, _, _ := get(t, h.URL+"/live/runs/20261123T120000Z-cache/events"); status != http.StatusServiceUnavailable {
		t.Errorf("%d, want 503", status)
	}
}
