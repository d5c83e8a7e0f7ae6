package origin_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/spf13/pflag"
	"go.uber.org/goleak"

	"github.com/gatelab/gatelab/harness/internal/origin"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// fasthttp's cleaner of idle workers sleeps for ten seconds before it sees a shutdown.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		// Its clock is the process's, and is never stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// serve starts an origin and returns its URL and a client that keeps nothing.
func serve(t *testing.T, c origin.Config) (*origin.Origin, string, *http.Client) {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	o := origin.New(c)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- o.ServeListener(ctx, ln) }()
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		cancel()
		client.CloseIdleConnections()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return o, "http://" + ln.Addr().String(), client
}

func config() origin.Config { return origin.Config{Models: 500, BodyBytes: 1024, Seed: 42} }

type answer struct {
	status int
	header http.Header
	body   []byte
}

func ask(t *testing.T, client *http.Client, method, url, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, b}
}

func TestAnswers(t *testing.T) {
	c := config()
	c.CacheMaxAge = time.Minute
	_, base, client := serve(t, c)
	const hello = `{"model":"m","messages":[{"role":"user","content":"hi"}]}`
	for _, row := range []struct {
		say, method, path, body string
		status                  int
		prefix                  string
	}{
		{say: "a model begins with its id", method: "GET", path: "/v1/models/7", status: 200, prefix: `{"id":"model-7",`},
		{say: "a model can be asked for by its whole id", method: "GET", path: "/v1/models/model-7", status: 200, prefix: `{"id":"model-7",`},
		{say: "the last model is there", method: "GET", path: "/v1/models/500", status: 200, prefix: `{"id":"model-500",`},
		{say: "one more is not", method: "GET", path: "/v1/models/501", status: 404, prefix: `{"error":{`},
		{say: "a name with quotes is still answered in JSON", method: "GET", path: "/v1/models/%22%01", status: 404, prefix: `{"error":{`},
		{say: "a page of models", method: "GET", path: "/v1/models", status: 200, prefix: `{"object":"list","data":[{"id":"model-1",`},
		{say: "the next page", method: "GET", path: "/v1/models?after=20", status: 200, prefix: `{"object":"list","data":[{"id":"model-21",`},
		{say: "a page behind the last", method: "GET", path: "/v1/models?after=9999", status: 200,
			prefix: `{"object":"list","data":[],"total":500,"has_more":false}`},
		{say: "a chat", method: "POST", path: "/v1/chat/completions", body: hello, status: 200,
			prefix: `{"object":"chat.completion","model":"m",`},
		{say: "a chat that is no JSON", method: "POST", path: "/v1/chat/completions", body: "hello", status: 400, prefix: `{"error":{`},
		{say: "a chat without messages", method: "POST", path: "/v1/chat/completions", body: "{}", status: 400, prefix: `{"error":{`},
		{say: "a chat cannot be read", method: "GET", path: "/v1/chat/completions", status: 405, prefix: `{"error":{`},
		{say: "a model cannot be written", method: "POST", path: "/v1/models/7", body: "{}", status: 405, prefix: `{"error":{`},
		{say: "nothing else is there", method: "GET", path: "/v2", status: 404, prefix: `{"error":{`},
	} {
		t.Run(row.say, func(t *testing.T) {
			a := ask(t, client, row.method, base+row.path, row.body)
			if a.status != row.status || !bytes.HasPrefix(a.body, []byte(row.prefix)) {
				t.Errorf("got %d %.80s, want %d %s", a.status, a.body, row.status, row.prefix)
			}
			if !json.Valid(a.body) {
				t.Errorf("not JSON: %s", a.body)
			}
			if got, want := a.header.Get(origin.BodyHeader), fmt.Sprintf("%016x", xxhash.Sum64(a.body)); got != want {
				t.Errorf("%s: %s, want %s", origin.BodyHeader, got, want)
			}
			cached := row.method == "GET" && row.status == 200
			if got := a.header.Get("Cache-Control"); (got == "public, max-age=60") != cached {
				t.Errorf("Cache-Control %q of a %d", got, row.status)
			}
		})
	}
}

func TestModelBody(t *testing.T) {
	c := config()
	_, base, client := serve(t, c)
	a := ask(t, client, "GET", base+"/v1/models/7", "")
	if len(a.body) != 1024 {
		t.Errorf("%d bytes, want 1024", len(a.body))
	}
	if a.header.Get("Cache-Control") != "" {
		t.Errorf("Cache-Control %q, want none", a.header.Get("Cache-Control"))
	}
	if b := ask(t, client, "GET", base+"/v1/models/8", ""); bytes.Equal(a.body[20:], b.body[20:]) {
		t.Error("two models have one description")
	}
	_, again, client2 := serve(t, c)
	if b := ask(t, client2, "GET", again+"/v1/models/7", ""); !bytes.Equal(a.body, b.body) {
		t.Error("another origin with the same seed has another model 7")
	}
	c.Seed++
	_, foreign, client3 := serve(t, c)
	if b := ask(t, client3, "GET", foreign+"/v1/models/7", ""); bytes.Equal(a.body, b.body) {
		t.Error("another seed has the same model 7")
	}
}

func TestNotModified(t *testing.T) {
	_, base, client := serve(t, config())
	tag := ask(t, client, "GET", base+"/v1/models/7", "").header.Get("ETag")
	if tag == "" {
		t.Fatal("no ETag")
	}
	for header, status := range map[string]int{
		tag:                    304,
		`"other", W/` + tag:    304,
		"*":                    304,
		`"other"`:              200,
		strings.Trim(tag, `"`): 200,
	} {
		a := ask(t, client, "GET", base+"/v1/models/7", "", "If-None-Match", header)
		if a.status != status || a.header.Get("ETag") != tag || status == 304 && len(a.body) > 0 {
			t.Errorf("If-None-Match %s: %d with %d bytes, ETag %s; want %d", header, a.status, len(a.body), a.header.Get("ETag"), status)
		}
	}
}

func TestErrorRateIsSeeded(t *testing.T) {
	c := config()
	c.ErrorRate = 0.25
	statuses := func() (out []int) {
		o, base, client := serve(t, c)
		for range 400 {
			out = append(out, ask(t, client, "GET", base+"/v1/models/1", "").status)
		}
		o.Reset()
		for i := range 50 {
			if s := ask(t, client, "GET", base+"/v1/models/1", "").status; s != out[i] {
				t.Errorf("request %d after a reset: %d, before it %d", i, s, out[i])
			}
		}
		return out
	}
	first, second := statuses(), statuses()
	failed := 0
	for i := range first {
		if first[i] != second[i] {
			t.Fatalf("request %d: %d, then %d with the same seed", i, first[i], second[i])
		}
		if first[i] == 500 {
			failed++
		}
	}
	if failed < 70 || failed > 130 { // 100 expected, standard deviation 9
		t.Errorf("%d of 400 failed, want about 100", failed)
	}
}

func TestStats(t *testing.T) {
	o, base, client := serve(t, config())
	for range 3 {
		ask(t, client, "GET", base+"/v1/models/7", "")
	}
	ask(t, client, "GET", base+"/v1/models/0", "")
	ask(t, client, "GET", base+"/v1/models", "", "If-None-Match", "*")
	ask(t, client, "POST", base+"/v1/chat/completions", `{"messages":[{}]}`)
	ask(t, client, "GET", base+"/health", "")
	var s origin.Stats
	if err := json.Unmarshal(ask(t, client, "GET", base+"/stats", "").body, &s); err != nil {
		t.Fatal(err)
	}
	if s.Requests != 6 || s.Endpoints["model"]["200"] != 3 || s.Endpoints["model"]["404"] != 1 ||
		s.Endpoints["models"]["304"] != 1 || s.Endpoints["chat"]["200"] != 1 || s.NotModified != 1 ||
		s.ChatInFlight != 0 || s.ChatInFlightMax != 1 || s.Bytes < 3*1024 {
		t.Errorf("got %+v", s)
	}
	if a := ask(t, client, "POST", base+"/reset", ""); a.status != 204 {
		t.Errorf("reset: %d", a.status)
	}
	if s := o.Stats(); s.Requests != 0 || s.ChatInFlightMax != 0 || s.Bytes != 0 {
		t.Errorf("after a reset: %+v", s)
	}
}

// TestChatConcurrency opens streams that last for an hour: they hold their
// places, and what comes beyond is refused.
func TestChatConcurrency(t *testing.T) {
	c := config()
	c.ChatConcurrency = 2
	c.ChatMedian = time.Hour
	c.ChatP99 = time.Hour
	o, base, client := serve(t, c)
	for range 2 {
		defer stream(t.Context(), t, client, base, 4).Body.Close()
	}
	await(t, func() bool { return o.Stats().ChatInFlight == 2 })
	a := ask(t, client, "POST", base+"/v1/chat/completions", `{"messages":[{}]}`)
	if a.status != 429 || a.header.Get("Retry-After") != "1" || a.header.Get(origin.BodyHeader) == "" {
		t.Errorf("the third chat: %d, Retry-After %q", a.status, a.header.Get("Retry-After"))
	}
	if a := ask(t, client, "GET", base+"/v1/models/1", ""); a.status != 200 {
		t.Errorf("a model beside the chats: %d", a.status)
	}
	if s := o.Stats(); s.ChatInFlightMax != 2 || s.Endpoints["chat"]["429"] != 1 {
		t.Errorf("got %+v", s)
	}
}

// await polls for what another goroutine brings about.
func await(t *testing.T, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("it never came about")
}

// stream begins a streamed chat of so many tokens.
func stream(ctx context.Context, t *testing.T, client *http.Client, base string, tokens int) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, "POST", base+"/v1/chat/completions",
		strings.NewReader(fmt.Sprintf(`{"model":"m\"x","messages":[{}],"stream":true,"max_tokens":%d}`, tokens)))
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestStream(t *testing.T) {
	c := config()
	c.ChatMedian, c.ChatP99 = 4*time.Millisecond, 8*time.Millisecond
	o, base, client := serve(t, c)
	res := stream(t.Context(), t, client, base, 4)
	defer res.Body.Close()
	if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("Content-Type %q", got)
	}
	if res.Header.Get(origin.BodyHeader) != "" {
		t.Error("a stream has the hash of its body")
	}
	lines := bufio.NewScanner(res.Body)
	var events []string
	for lines.Scan() {
		if event, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			events = append(events, event)
		}
	}
	if len(events) != 5 || events[4] != "[DONE]" {
		t.Fatalf("got %q, want 4 tokens and [DONE]", events)
	}
	for i, e := range events[:4] {
		if !json.Valid([]byte(e)) || !strings.Contains(e, fmt.Sprintf("token-%d", i)) {
			t.Errorf("event %d: %s", i, e)
		}
	}
	await(t, func() bool { s := o.Stats(); return s.ChatInFlight == 0 && s.Streams == 1 && s.StreamsBroken == 0 })
}

// TestEventsArriveAsSent reads the first events of a stream that goes on for
// half a minute: they can only have been flushed one by one.
func TestEventsArriveAsSent(t *testing.T) {
	c := config()
	c.ChatMedian, c.ChatP99 = 30*time.Second, 30*time.Second
	o, base, client := serve(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	res := stream(ctx, t, client, base, 4096)
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for i := 0; i < 3 && lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "data: ") {
			i++
		}
	}
	if s := o.Stats(); lines.Err() != nil || s.ChatInFlight != 1 {
		t.Errorf("after three events: %v, %d chats in flight, want 1", lines.Err(), s.ChatInFlight)
	}
	cancel()
	await(t, func() bool { s := o.Stats(); return s.ChatInFlight == 0 && s.StreamsBroken == 1 })
}

// TestHeadOfAStreamComesAtOnce: the first event is an hour away.
func TestHeadOfAStreamComesAtOnce(t *testing.T) {
	c := config()
	c.ChatMedian, c.ChatP99 = time.Hour, time.Hour
	_, base, client := serve(t, c)
	res := stream(t.Context(), t, client, base, 1)
	defer res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestFlagsSetEveryField(t *testing.T) {
	var c origin.Config
	fs := pflag.NewFlagSet("origin", pflag.ContinueOnError)
	c.Flags(fs)
	if err := c.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	if err := fs.Parse([]string{"--listen=:1", "--models=2", "--median=3ms", "--p99=4ms", "--chat-median=5ms", "--chat-p99=6ms",
		"--chat-concurrency=7", "--error-rate=0.8", "--body-bytes=9", "--cache-max-age=10s", "--seed=11",
		"--traces=http://h/v1/traces"}); err != nil {
		t.Fatal(err)
	}
	const ms = time.Millisecond
	if want := (origin.Config{Listen: ":1", Models: 2, Median: 3 * ms, P99: 4 * ms, ChatMedian: 5 * ms, ChatP99: 6 * ms,
		ChatConcurrency: 7, ErrorRate: 0.8, BodyBytes: 9, CacheMaxAge: 10 * time.Second, Seed: 11,
		Traces: "http://h/v1/traces"}); c != want {
		t.Errorf("got %+v, want %+v", c, want)
	}
}

func TestValidate(t *testing.T) {
	for _, row := range []struct {
		say  string
		set  func(*origin.Config)
		want string
	}{
		{say: "no models", set: func(c *origin.Config) { c.Models = 0 }, want: "models: 0 is not allowed: want 1 or more"},
		{say: "a p99 below the median", set: func(c *origin.Config) { c.Median = time.Second },
			want: "p99: 0s with a median of 1s is not allowed: want 0 <= median <= p99"},
		{say: "likewise of chats", set: func(c *origin.Config) { c.ChatMedian = time.Second },
			want: "chat-p99: 0s with a chat-median of 1s is not allowed: want 0 <= chat-median <= chat-p99"},
		{say: "more errors than requests", set: func(c *origin.Config) { c.ErrorRate = 1.5 },
			want: "error-rate: 1.5 is not allowed: want 0 to 1"},
		{say: "a body of less than nothing", set: func(c *origin.Config) { c.BodyBytes = -1 },
			want: "body-bytes: -1 is not allowed: want 0 to 16777216"},
		{say: "an age in parts of seconds", set: func(c *origin.Config) { c.CacheMaxAge = time.Millisecond },
			want: "cache-max-age: 1ms is not allowed: want whole seconds, 0 or more"},
		{say: "less than no chats", set: func(c *origin.Config) { c.ChatConcurrency = -1 },
			want: "chat-concurrency: -1 is not allowed: want 0 or more"},
		{say: "a collector without a scheme", set: func(c *origin.Config) { c.Traces = "collector:4318" },
			want: `traces: "collector:4318" is not allowed: want a URL such as http://127.0.0.1:4318/v1/traces`},
	} {
		t.Run(row.say, func(t *testing.T) {
			c := config()
			row.set(&c)
			if err := c.Validate(); err == nil || err.Error() != row.want {
				t.Errorf("got %v, want %s", err, row.want)
			}
		})
	}
}

func TestPortInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if err := origin.New(config()).Serve(t.Context(), ln.Addr().String()); err == nil ||
		!strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}
