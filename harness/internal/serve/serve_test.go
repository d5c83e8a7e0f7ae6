package serve

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/follow"
	"github.com/gatelab/gatelab/harness/internal/report"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/internal/webguard"
)

const (
	published = "testdata/result.json" // a run of its own, so that a newer published one changes nothing here
	evil      = `x<script>alert(1)</script>"'&`
	waitFor   = 20 * time.Second
)

func p[T any](v T) *T { return &v }

// withReports renders as the program does.
var withReports = Config{Report: report.HTML, Style: report.Style()}

// reports makes a folder of reports: the published run, a newer one that is
// not valid and has an evil name, one that is under way, one that died, one
// that cannot be read, and a secret beside the folder.
func reports(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "reports")
	r, err := result.Read(published)
	if err != nil {
		t.Fatal(err)
	}
	r.Histograms = nil
	write(t, filepath.Join(dir, "published", "ladder"), r)
	r.RunID = "newer"
	r.Scenario = evil
	r.StartedAt = r.StartedAt.Add(time.Hour)
	r.Stages = r.Stages[1:3]
	r.Stages[0].QPS, r.Manifest.Commit = p(*r.Stages[0].QPS*2), "fedcba9876543210"
	r.Stages[1].InvalidReasons = []string{"the host was busy: " + evil}
	write(t, filepath.Join(dir, "runs", "newer-"+"x<b>"), r)

	running, err := follow.Create(filepath.Join(dir, "runs", "20261123T120000Z-cache"))
	if err != nil {
		t.Fatal(err)
	}
	running.Add(follow.Event{Kind: follow.Begin, Text: evil})
	running.Close()
	dead, err := follow.Create(filepath.Join(dir, "runs", "20261123T110000Z-pool"))
	if err != nil {
		t.Fatal(err)
	}
	dead.Add(follow.Event{Kind: follow.End, Text: "no engine answers"})
	dead.Close()

	put(t, filepath.Join(dir, "runs", "broken", result.FileJSON), `{"schema":"another"}`)
	put(t, filepath.Join(top, "secret.txt"), "secret")
	put(t, filepath.Join(dir, "secret.txt"), "secret")
	if err := os.Symlink(filepath.Join(top, "secret.txt"), filepath.Join(dir, "runs", "broken", result.FileMarkdown)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(top, filepath.Join(dir, "runs", "outside")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, dir string, r *result.Result) {
	t.Helper()
	if err := report.Write(dir, r); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// start serves a folder until the test ends.
func start(t *testing.T, dir string) *httptest.Server {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	s, err := newServer(root, loopbackGuard(t), withReports)
	if err != nil {
		t.Fatal(err)
	}
	s.poll = 5 * time.Millisecond
	h := httptest.NewServer(s.handler())
	t.Cleanup(h.Close)
	return h
}

func get(t *testing.T, address string) (status int, header http.Header, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitFor)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

func TestTheListHasEveryRunNewestFirst(t *testing.T) {
	h := start(t, reports(t))
	status, header, body := get(t, h.URL+"/")
	if status != http.StatusOK || header.Get("Content-Security-Policy") != policy {
		t.Fatalf("%d, %v", status, header)
	}
	at := -1
	for _, want := range []string{
		"runs/20261123T1", "newer-x&lt;b&gt;", "published/ladder", "15,649", "216 ms", "0.0049%", "362451065",
	} {
		next := strings.Index(body, want)
		if next < 0 {
			t.Errorf("%q is not in the list", want)
		}
		if strings.HasPrefix(want, "runs/") || strings.Contains(want, "newer") || want == "published/ladder" {
			if next < at {
				t.Errorf("%q comes too early", want)
			}
			at = next
		}
	}
	for _, want := range []string{`badge running`, `badge no report`, `badge unreadable`, `badge valid`, `badge INVALID`,
		"no engine answers", "fedcba987"} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not in the list", want)
		}
	}
	if strings.Contains(body, "<script>alert") || strings.Contains(body, "outside") {
		t.Error("the list holds foreign markup, or a folder that is none of ours")
	}
}

func TestAReportIsShownInASandbox(t *testing.T) {
	h := start(t, reports(t))
	for _, path := range []string{"/run/published/ladder/", "/run/published/ladder/report.html", "/run/runs/newer-x%3Cb%3E/"} {
		status, header, body := get(t, h.URL+path)
		if status != http.StatusOK || !strings.HasPrefix(header.Get("Content-Security-Policy"), "sandbox allow-scripts;") ||
			!strings.Contains(body, "<h1>gatelab: ") {
			t.Errorf("%s: %d, %v", path, status, header)
		}
		if strings.Contains(body, "<script>alert") {
			t.Errorf("%s holds foreign markup", path)
		}
	}
}

func TestARunWithoutAPageIsRendered(t *testing.T) {
	dir := reports(t)
	if err := os.Remove(filepath.Join(dir, "published", "ladder", result.FileHTML)); err != nil {
		t.Fatal(err)
	}
	status, _, body := get(t, start(t, dir).URL+"/run/published/ladder/")
	if status != http.StatusOK || !strings.Contains(body, "15,649") {
		t.Errorf("%d: %.200s", status, body)
	}
}

func TestNothingOutsideIsShown(t *testing.T) {
	h := start(t, reports(t))
	for _, path := range []string{
		"/run/published/../", "/run/..%2f/ladder/report.html", "/run/runs/..%2f..%2f/secret.txt", "/run/runs/%2e%2e/secret.txt",
		"/run/runs/..%5c/secret.txt", "/run/runs/broken/report.md", "/run/runs/outside/secret.txt", "/run/runs/outside/",
		"/run/runs/broken/..%2f..%2fsecret.txt",
		"/run/secret.txt/x/", "/run/histograms/x/", "/run/runs//report.html", "/run/runs/%00/report.html", "/live/runs/outside/events",
		"/compare?a=../secret.txt&b=runs/broken", "/compare?a=runs/..&b=runs/..", "/compare", "/secret.txt",
		"/run/published/ladder/result.schema.json", "/run/published/ladder/histograms",
	} {
		status, _, body := get(t, h.URL+path)
		if status < 400 || strings.Contains(body, "secret\n") || body == "secret" {
			t.Errorf("%s: %d %.100q", path, status, body)
		}
	}
}

func TestOnlyLoopbacksNamesAreAnswered(t *testing.T) {
	h := start(t, reports(t))
	for host, want := range map[string]int{
		"": 200, "localhost:8090": 200, "localhost": 200, "[::1]:80": 200, "127.1.2.3": 200,
		"evil.example": 403, "evil.example:8090": 403, "127.0.0.1.evil.example": 403, "10.0.0.1": 403, "[": 403,
	} {
		q, err := http.NewRequestWithContext(context.Background(), http.MethodGet, h.URL+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		q.Host = host
		if host == "" {
			q.Host = strings.TrimPrefix(h.URL, "http://")
		}
		h.Config.Handler.ServeHTTP(w, q)
		if w.Code != want {
			t.Errorf("Host %q: %d, want %d", host, w.Code, want)
		}
	}
}

func TestItOnlyReads(t *testing.T) {
	h := start(t, reports(t))
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		q, err := http.NewRequestWithContext(context.Background(), method, h.URL+"/run/published/ladder/report.html", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, res.StatusCode)
		}
	}
}

func TestTwoRunsSideBySide(t *testing.T) {
	h := start(t, reports(t))
	status, _, body := get(t, h.URL+"/compare?a=published/ladder&b=runs/newer-x%3Cb%3E")
	if status != http.StatusOK {
		t.Fatalf("%d: %s", status, body)
	}
	for _, want := range []string{
		"not a paired comparison", "make gate",
		"<h2>pool</h2>",
		"<tr><th scope=\"row\">QPS, closed-loop</th><td>2,268</td><td>4,536</td><td>2.00</td></tr>",
		"<tr><th scope=\"row\">p99</th><td>199 ms</td><td>199 ms</td><td>1.00</td></tr>",
		"CPU us per request", "<h2>cache</h2>", "INVALID in the second run: no ratio is given", "fedcba9876543210",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not there", want)
		}
	}
	if strings.Contains(body, "<h2>multi</h2>") || strings.Contains(body, "<script>alert") {
		t.Error("a stage that one run lacks, or foreign markup")
	}
}

func loopbackGuard(t *testing.T) *webguard.Guard {
	t.Helper()
	g, err := webguard.New(webguard.Config{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	return g
}
