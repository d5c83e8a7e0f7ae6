package plugin_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
	"github.com/gatelab/gatelab/gateway/internal/plugin/proxycache"
)

// reader is a plugin that reads the request's body and tells the upstream how
// long it is, and whether it has seen all of it.
type reader struct{}

func (reader) ReadsRequestBody() bool { return true }

func (reader) Access(x *plugin.Exchange) (answered bool) {
	body, whole, err := x.RequestBody(0)
	if err != nil {
		plugin.AnswerBodyError(&x.Ctx.Response, err)
		return true
	}
	x.Ctx.Request.Header.Set("X-Read", fmt.Sprintf("%d %t", len(body), whole))
	return false
}

// shout is a plugin that makes bodies upper-case and longer; not those of
// images.
type shout struct{}

func (shout) FiltersBody(x *plugin.Exchange) bool {
	return !bytes.HasPrefix(x.Ctx.Response.Header.ContentType(), []byte("image/"))
}

func (shout) BodyFilter(x *plugin.Exchange, body []byte) []byte {
	x.Ctx.Response.Header.Set("X-Shouted", "yes")
	return append(bytes.ToUpper(body), '!')
}

func define(name string, priority int, p plugin.Plugin) plugin.Definition {
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{Name: name}, Priority: priority,
		New: func(*entity.Plugin, *plugin.Deps) (plugin.Plugin, error) { return p, nil },
	}
}

const maxBody = 8 << 10

func TestAPluginReadsTheRequestBody(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %d %v", r.Header.Get("X-Read"), len(body), err)
	})
	g := plugintest.Start(t, maxBody, origin, []plugin.Definition{define("reader", 1, reader{})}, entity.Record{"name": "reader"})
	for _, tt := range []struct {
		name    string
		size    int
		chunked bool
		expect  bool
		want    string // what the plugin saw, and what the origin got
	}{
		{name: "no body", want: "0 true 0 <nil>"},
		{name: "a short one", size: 10, want: "10 true 10 <nil>"},
		{name: "one that would be streamed", size: maxBody, want: "8192 true 8192 <nil>"},
		{name: "in chunks", size: maxBody, chunked: true, want: "8192 true 8192 <nil>"},
		{name: "beyond the bound", size: maxBody + 1, want: "0 false 8193 <nil>"},
		{name: "beyond the bound, in chunks", size: 3 * maxBody, chunked: true, want: "8192 false 24576 <nil>"},
		{name: "after 100 Continue", size: 5000, expect: true, want: "5000 true 5000 <nil>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var body io.Reader = strings.NewReader(strings.Repeat("a", tt.size))
			if tt.chunked {
				body = struct{ io.Reader }{body}
			}
			req, err := http.NewRequest(http.MethodPost, g.URL, body)
			if err != nil {
				t.Fatal(err)
			}
			if tt.expect {
				req.Header.Set("Expect", "100-continue")
			}
			if _, got := do(t, req); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestAPluginRewritesTheResponseBody has bodies that the gateway buffers, that
// it streams, and that end where it does not know in advance.
func TestAPluginRewritesTheResponseBody(t *testing.T) {
	g := plugintest.Start(t, maxBody, http.HandlerFunc(answer), []plugin.Definition{define("shout", 1, shout{})},
		entity.Record{"name": "shout"})
	for _, tt := range []struct {
		name   string
		method string
		query  string // for answer
		status int
		length int64 // Content-Length; -1: none
		body   string
		plain  bool // it is not the filter's
	}{
		{name: "buffered", query: "size=10", status: 200, length: 11, body: strings.Repeat("A", 10) + "!"},
		{name: "empty", query: "size=0", status: 200, length: 1, body: "!"},
		{name: "streamed", query: "size=5000", status: 200, length: 5001, body: strings.Repeat("A", 5000) + "!"},
		{name: "in chunks", query: "size=5000&chunked=1", status: 200, length: 5001, body: strings.Repeat("A", 5000) + "!"},
		{name: "as long as the bound", query: "size=8192", status: 200, length: 8193, body: strings.Repeat("A", 8192) + "!"},
		{name: "beyond the bound", query: "size=8193", status: 502, length: -2, plain: true},
		{name: "beyond the bound, in chunks", query: "size=20000&chunked=1", status: 502, length: -2, plain: true},
		{
			name: "not wanted", query: "size=20000&type=image/png", status: 200, length: 20000, body: strings.Repeat("a", 20000),
			plain: true,
		},
		{
			name: "not wanted, in chunks", query: "size=20000&type=image/png&chunked=1", status: 200, length: -1,
			body: strings.Repeat("a", 20000), plain: true,
		},
		{name: "no content", query: "status=204", status: 204, length: 0, plain: true},
		{name: "HEAD", method: "HEAD", query: "size=10", status: 200, length: -1, plain: true},
		{name: "HEAD, not wanted", method: "HEAD", query: "size=10&type=image/png", status: 200, length: 10, plain: true},
		{name: "broken off", query: "size=5000&broken=1", status: 502, length: -2, plain: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequest(tt.method, g.URL+"/?"+tt.query, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, body := do(t, req)
			if res.StatusCode != tt.status || tt.length > -2 && res.ContentLength != tt.length {
				t.Errorf("status %d, length %d; want %d, %d", res.StatusCode, res.ContentLength, tt.status, tt.length)
			}
			if tt.status == 200 && body != tt.body {
				t.Errorf("a body of %d bytes, want %d", len(body), len(tt.body))
			}
			if filtered := res.Header.Get("X-Shouted") != ""; filtered == tt.plain {
				t.Errorf("filtered is %t", filtered)
			}
		})
	}
}

// answer is an origin that answers as the query says.
func answer(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	size, _ := strconv.Atoi(q.Get("size"))
	w.Header().Set("Content-Type", "text/plain")
	if kind := q.Get("type"); kind != "" {
		w.Header().Set("Content-Type", kind)
	}
	if status, err := strconv.Atoi(q.Get("status")); err == nil {
		w.WriteHeader(status)
		return
	}
	if !q.Has("chunked") {
		w.Header().Set("Content-Length", strconv.Itoa(size))
	}
	if q.Has("broken") {
		size /= 2
	}
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, strings.Repeat("a", size))
	}
	if f, ok := w.(http.Flusher); ok && q.Has("chunked") {
		f.Flush()
	}
}

// TestABodyFilterRunsBesideTheCache: the body that is stored is the upstream's,
// and a hit is filtered as a miss is.
func TestABodyFilterRunsBesideTheCache(t *testing.T) {
	asked := 0
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		answer(w, r)
	})
	g := plugintest.Start(t, maxBody, origin, []plugin.Definition{define("shout", 800, shout{}), proxycache.Definition()},
		entity.Record{"name": "shout"}, entity.Record{"name": "proxy-cache"})
	for _, query := range []string{"size=10", "size=5000", "size=5000&chunked=1"} {
		asked = 0
		for _, status := range []string{"Miss", "Hit", "Hit"} {
			req, err := http.NewRequest(http.MethodGet, g.URL+"/?"+query, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, body := do(t, req)
			if res.Header.Get("X-Cache-Status") != status || !strings.HasSuffix(body, "AA!") || strings.Count(body, "!") != 1 ||
				res.ContentLength != int64(len(body)) {
				t.Errorf("%s: %s, want %s; a body of %d bytes, Content-Length %d", query, res.Header.Get("X-Cache-Status"),
					status, len(body), res.ContentLength)
			}
		}
		if asked != 1 {
			t.Errorf("%s: the origin was asked %d times", query, asked)
		}
	}
}

// TestWithoutABodyFilterResponsesAreStreamed: the client has the beginning
// before the origin has sent the end.
func TestWithoutABodyFilterResponsesAreStreamed(t *testing.T) {
	sent := make(chan struct{})
	origin := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "first")
		w.(http.Flusher).Flush()
		select {
		case <-sent:
		case <-time.After(10 * time.Second):
		}
		_, _ = io.WriteString(w, "last")
	})
	g := plugintest.Start(t, maxBody, origin, []plugin.Definition{define("reader", 1, reader{})}, entity.Record{"name": "reader"})
	res, err := http.Get(g.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	first := make([]byte, 5)
	if _, err := io.ReadFull(res.Body, first); err != nil || string(first) != "first" {
		t.Fatalf("%q %v", first, err)
	}
	close(sent)
	if rest, err := io.ReadAll(res.Body); err != nil || string(rest) != "last" {
		t.Errorf("%q %v", rest, err)
	}
}

func do(t *testing.T, req *http.Request) (*http.Response, string) {
	t.Helper()
	client := http.Client{Timeout: 20 * time.Second,
		Transport: &http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: 5 * time.Second}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}
