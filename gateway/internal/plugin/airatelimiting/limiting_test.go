package airatelimiting

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
	"github.com/gatelab/gatelab/gateway/internal/redisconn"
	"github.com/gatelab/gatelab/internal/testenv"
)

// model is a stand-in for a model's API: X-Use names the usage of the answer, as "prompt completion"; "" tells none.
func model(w http.ResponseWriter, r *http.Request) {
	var in struct{ Stream bool }
	_ = json.NewDecoder(r.Body).Decode(&in)
	var prompt, completion int
	told, _ := fmt.Sscan(r.Header.Get("X-Use"), &prompt, &completion)
	usage := "null"
	if told == 2 {
		usage = fmt.Sprintf(`{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}`, prompt, completion, prompt+completion)
	}
	if status, err := strconv.Atoi(r.Header.Get("X-Status")); err == nil {
		w.WriteHeader(status)
		return
	}
	if !in.Stream {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"choices":[{"message":{"content":%q}}],"usage":%s}`, strings.Repeat("x", 3000), usage)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for i := range 5 {
		_, _ = fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":{\"content\":\"%d\"}}],\"usage\":null}\n\n", i)
		_ = http.NewResponseController(w).Flush()
	}
	_, _ = fmt.Fprintf(w, "data: {\"choices\":[],\"usage\":%s}\n\ndata: [DONE]\n\n", usage)
}

// year is a window that no test outlives, in seconds.
const year = 31536000

func start(t *testing.T, origin http.HandlerFunc, config map[string]any) *plugintest.Gateway {
	t.Helper()
	return replica(t, uuid.NewString(), origin, config)
}

// replica is a gateway with the plugin of that id.
func replica(t *testing.T, id string, origin http.HandlerFunc, config map[string]any) *plugintest.Gateway {
	t.Helper()
	record := entity.Record{"id": id, "name": name, "config": config}
	return plugintest.Start(t, 0, origin, []plugin.Definition{Definition()}, record)
}

// ask sends a request for completions and returns what the client hears of the limit.
func ask(t *testing.T, g *plugintest.Gateway, body, use string) (status int, remaining string) {
	t.Helper()
	res, _ := g.Send(t, http.MethodPost, "/v1/chat/completions", body, "Content-Type:application/json", "X-Use:"+use)
	return res.StatusCode, res.Header.Get("X-AI-RateLimit-Remaining-31536000")
}

const order10 = `{"model":"m","max_tokens":10,"pad":"aa"}` // 40 bytes: 10 tokens, and 10 of the answer

func TestTokensAreReservedAndPutRight(t *testing.T) {
	g := start(t, model, map[string]any{"limit": []any{100}, "window_size": []any{year}})
	if status, left := ask(t, g, order10, "5 30"); status != 200 || left != "80" {
		t.Errorf("%d, %s left, want 80 by the estimate", status, left)
	}
	// 35 were used, and 20 more are reserved.
	if status, left := ask(t, g, `{"stream":true,`+order10[1:], "1 24"); status != 200 || left != "41" { // 54 bytes: 14
		t.Errorf("%d, %s left, want 100 - 35 - 24 = 41", status, left)
	}
	// 60 are used. Without usage the estimate stays, an error costs nothing.
	res, _ := g.Send(t, http.MethodPost, "/", order10, "X-Status:500")
	if res.StatusCode != 500 {
		t.Errorf("status %d", res.StatusCode)
	}
	if status, left := ask(t, g, order10, ""); status != 200 || left != "20" {
		t.Errorf("%d, %s left, want 20", status, left)
	}
	if status, _ := ask(t, g, order10, "0 20"); status != 200 { // exactly what is left
		t.Errorf("status %d", status)
	}
	res, text := g.Send(t, http.MethodPost, "/", `{"model":"m","max_tokens":0}`, "X-Use:0 0")
	if res.StatusCode != 429 || !strings.Contains(text, "AI token rate limit exceeded") || res.Header.Get("Retry-After") == "" ||
		res.Header.Get("X-AI-RateLimit-Remaining-31536000") != "0" {
		t.Errorf("%d %s %v", res.StatusCode, text, res.Header)
	}
	// Another model counts apart, and a list of models costs nothing.
	if status, left := ask(t, g, strings.Replace(order10, `"m"`, `"n"`, 1), "1 1"); status != 200 || left != "80" {
		t.Errorf("another model: %d, %s left", status, left)
	}
	if res, _ := g.Send(t, http.MethodGet, "/v1/models", ""); res.StatusCode != 200 {
		t.Errorf("GET: %d", res.StatusCode)
	}
}

func TestRequestsThatCanBeReadInTwoWays(t *testing.T) {
	g := start(t, model, map[string]any{"limit": []any{100}, "window_size": []any{year}})
	for body, want := range map[string]int{
		`{"model":"a","model":"b"}`:                400,
		`{"max_tokens":1,"x":{},"max_tokens":9}`:   400,
		`{"model":{"a":1}}`:                        400,
		`{"model":"a","messages":[{"model":"b"}]}`: 200,
		`not JSON`: 200,
		`{"model":"` + strings.Repeat("x", 300) + `"}`: 400,
		`{"model":"big","max_tokens":90,"n":2}`:        200, // more than the window has: let in while it is unused
	} {
		if status, _ := ask(t, g, body, "1 1"); status != want {
			t.Errorf("%s: %d, want %d", body, status, want)
		}
	}
}

func TestEventsPassOneByOne(t *testing.T) {
	next := make(chan struct{})
	g := start(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			_, _ = fmt.Fprintf(w, "data: {\"n\":%d}\n\n", i)
			_ = http.NewResponseController(w).Flush()
			<-next
		}
	}, map[string]any{"limit": []any{100}, "window_size": []any{year}})
	res, err := http.Post(g.URL+"/", "application/json", strings.NewReader(order10)) //nolint:noctx // ends with the test
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for i := range 3 {
		for lines.Scan() && lines.Text() == "" {
		}
		if want := fmt.Sprintf(`data: {"n":%d}`, i); lines.Text() != want {
			t.Fatalf("got %q, want %q before the next event is sent", lines.Text(), want)
		}
		next <- struct{}{}
	}
	if lines.Scan(); lines.Text() != "" {
		t.Errorf("after the end: %q", lines.Text())
	}
	// The request's log phase may run after the client has the end of the answer.
	for deadline := time.Now().Add(10 * time.Second); !measured(t, g); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the time to the first token was not measured")
		}
	}
}

func measured(t *testing.T, g *plugintest.Gateway) bool {
	t.Helper()
	families, err := g.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "gateway_ai_time_to_first_token_seconds" {
			return f.GetMetric()[0].GetHistogram().GetSampleCount() == 1
		}
	}
	return false
}

// Three replicas count in one Redis: what they counted in the end is what the model told, to the token.
func TestReplicasCountToTheToken(t *testing.T) {
	address := testenv.Redis(t)
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(text)
	const database = 9 // of this test alone
	config := map[string]any{
		"limit": []any{1500}, "window_size": []any{year}, "strategy": "redis",
		"redis":          map[string]any{"host": host, "port": port, "database": database},
		"fault_tolerant": false,
	}
	rdb := redis.NewClient(&redis.Options{Addr: address, DB: database})
	defer rdb.Close()
	if err := rdb.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	var told atomic.Int64
	counting := func(w http.ResponseWriter, r *http.Request) {
		var prompt, completion int64
		_, _ = fmt.Sscan(r.Header.Get("X-Use"), &prompt, &completion)
		told.Add(prompt + completion)
		model(w, r)
	}
	id := uuid.NewString()
	var replicas []*plugintest.Gateway
	for range 3 {
		replicas = append(replicas, replica(t, id, counting, config))
	}
	var wg sync.WaitGroup
	var refused atomic.Int64
	for client := range 6 {
		wg.Go(func() {
			for i := range 40 {
				// Never more than what was reserved: then the limit cannot be passed.
				body := order10
				if i%2 == 0 {
					body = `{"stream":true,` + order10[1:]
				}
				switch status, _ := ask(t, replicas[(client+i)%3], body, fmt.Sprintf("%d %d", i%11, (i*7)%10)); status {
				case 200:
				case 429:
					refused.Add(1)
				default:
					t.Errorf("status %d", status)
				}
			}
		})
	}
	wg.Wait()
	if n := told.Load(); n > 1500 || refused.Load() == 0 {
		t.Errorf("%d tokens passed a limit of 1500, %d requests were refused", n, refused.Load())
	}
	keys, err := rdb.Keys(t.Context(), redisPrefix+"*").Result()
	if err != nil || len(keys) != 1 {
		t.Fatalf("%v, %v", keys, err)
	}
	// The last requests are put right after their clients have the answer.
	var used int64
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if used, err = rdb.HGet(t.Context(), keys[0], "u1").Int64(); err != nil || used == told.Load() {
			break
		}
	}
	if err != nil || used != told.Load() || used == 0 {
		t.Errorf("%d counted, %d told, %d requests refused: %v", used, told.Load(), refused.Load(), err)
	}
}

func TestWithoutRedis(t *testing.T) {
	config := map[string]any{"limit": []any{10}, "window_size": []any{60}, "strategy": "redis",
		"redis": map[string]any{"host": "127.0.0.1", "port": 1}}
	if status, _ := ask(t, start(t, model, config), order10, "1 1"); status != 200 {
		t.Errorf("fault_tolerant: %d", status)
	}
	config["fault_tolerant"] = false
	if status, _ := ask(t, start(t, model, config), order10, "1 1"); status != 500 {
		t.Errorf("not fault_tolerant: %d", status)
	}
}

// Both kinds of counters keep the same rules, at the ends of windows too.
func TestCounters(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_123)
	m := newMemory(func() time.Time { return now })
	ctx, windows := context.Background(), []window{{100, 60_000}, {150, 3_600_000}}
	reserve := func(n int64) decision {
		d, err := m.reserve(ctx, "k", windows, n)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	first := reserve(60)
	if d := reserve(41); d.allowed || d.used[0] != 60 {
		t.Errorf("beyond the first window: %+v", d)
	}
	if d := reserve(40); !d.allowed {
		t.Errorf("exactly the first window: %+v", d)
	}
	now = now.Add(time.Minute)
	if d := reserve(51); d.allowed {
		t.Errorf("beyond the second window: %+v", d)
	}
	// What is put right after its window has ended counts in the longer one alone.
	if err := m.adjust(ctx, "k", windows, &first, []int64{-50, -50}); err != nil {
		t.Fatal(err)
	}
	if d := reserve(51); !d.allowed || d.used[0] != 51 || d.used[1] != 101 {
		t.Errorf("after the correction: %+v", d)
	}
}

func TestKeysAreBounded(t *testing.T) {
	m := newMemory(time.Now)
	windows := []window{{1, 86_400_000}}
	for i := range mostKeys + 1000 {
		if _, err := m.reserve(context.Background(), strconv.Itoa(i), windows, 1); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(m.keys); n > mostKeys+1 {
		t.Errorf("%d keys", n)
	}
}

func BenchmarkReadOrder(b *testing.B) {
	body := []byte(order10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readOrder(body); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEvent is what counting costs a stream, per event.
func BenchmarkEvent(b *testing.B) {
	var s eventScanner
	event := []byte("data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\"," +
		"\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"}}]}\n\n")
	b.ReportAllocs()
	for b.Loop() {
		s.write(event)
	}
}

// TestItsRedisIsKept: a Redis that no plugin names is given up some seconds after a configuration is in use.
func TestItsRedisIsKept(t *testing.T) {
	clients := redisconn.NewRegistry(redisconn.Config{RetireAfter: time.Millisecond}, nil)
	defer clients.Close()
	made, err := Definition().New(&entity.Plugin{ID: "p", Name: name, Config: map[string]any{
		"limit": []any{10}, "window_size": []any{60}, "strategy": "redis", "redis": map[string]any{"host": "127.0.0.1", "port": 1},
	}}, &plugin.Deps{Redis: clients})
	if err != nil {
		t.Fatal(err)
	}
	var used plugin.Resources
	made.(plugin.ResourceUser).AddResources(&used)
	if len(used.Clients) != 1 || used.Clients[0] != clients.Client(used.Clients[0].Options()) {
		t.Errorf("clients %v", used.Clients)
	}
}
