package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"go.uber.org/goleak"

	"github.com/gatelab/gatelab/gateway/internal/logline"
	"github.com/gatelab/gatelab/gateway/internal/settings"
	"github.com/gatelab/gatelab/internal/testenv"
)

func TestMain(m *testing.M) {
	if slices.Contains(os.Environ(), asProgram) {
		os.Exit(run(os.Args[1:], nil, os.Stdout, os.Stderr))
	}
	silenceRedis()
	testenv.RunWithoutLeaks(m,
		goleak.IgnoreAnyFunction("github.com/gatelab/gatelab/internal/testenv.spawn.func1"),
		// fasthttp's own housekeepers sleep out their interval after Shutdown.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// testGateway is the real program on free ports, with a Postgres and a Redis.
type testGateway struct {
	t                    *testing.T
	proxy, admin, status string
	postgres, redis      *link
	direct               string // Postgres without the link
	log                  *lines
	redisHost, redisPort string
	origin               *httptest.Server
	asked                atomic.Int64
	slow, arrived        chan struct{} // a request for /ai/slow says that it is there, and waits
	cancel               context.CancelFunc
	ended                chan error
}

// load reads settings as the program does.
func load(args, environ []string) (*settings.Settings, error) {
	var s settings.Settings
	_, err := settings.Load(&s, pflag.NewFlagSet("gateway", pflag.ContinueOnError), args, environ)
	return &s, err
}

var pgPort = regexp.MustCompile(`\bport=(\d+)`)

func boot(t *testing.T, args ...string) *testGateway {
	t.Helper()
	b := &testGateway{t: t, slow: make(chan struct{}), arrived: make(chan struct{}, 1), ended: make(chan error, 1)}
	dsn := testenv.Postgres(t)
	b.direct, b.log = dsn, &lines{}
	if os.Getenv("GATELAB_TEST_POSTGRES") == "" {
		b.postgres = newLink(t, "127.0.0.1:"+pgPort.FindStringSubmatch(dsn)[1])
		_, port, _ := net.SplitHostPort(b.postgres.listener.Addr().String())
		dsn = pgPort.ReplaceAllString(dsn, "port="+port)
	}
	var err error
	b.redis = newLink(t, testenv.Redis(t))
	if b.redisHost, b.redisPort, err = net.SplitHostPort(b.redis.listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	b.origin = httptest.NewServer(http.HandlerFunc(b.answer))
	t.Cleanup(b.origin.Close)

	args = append([]string{"--proxy-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--status-listen=127.0.0.1:0",
		"--pg-dsn=" + dsn, "--pg-poll-interval=200ms", "--node-name=replica", "--node-header", "--drain-timeout=10s",
		// A busy machine's servers must not be taken for some that are gone.
		"--pg-acquire-timeout=10s", "--redis-timeout=5s", "--redis-dial-timeout=5s"}, args...)
	b.launch(args)
	b.eventually("ready", func() bool { return b.get(b.status+"/health/ready").StatusCode == 200 })
	return b
}

// launch runs the program until the end of the test.
func (b *testGateway) launch(args []string) {
	t := b.t
	t.Helper()
	s, err := load(args, nil)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(b.log, nil))
	p, err := newProgram(s, log, logline.New(b.log, logline.Text, slog.LevelInfo))
	if err != nil {
		t.Fatal(err)
	}
	b.proxy = "http://" + p.sockets.proxy.Addr().String()
	b.admin = "http://" + p.sockets.admin.Addr().String()
	b.status = "http://" + p.sockets.status.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	go func() {
		err := p.Run(ctx)
		p.Close()
		b.ended <- err
		close(b.ended)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-b.ended; err != nil {
			t.Errorf("the program ended with %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
}

func (b *testGateway) answer(w http.ResponseWriter, r *http.Request) {
	b.asked.Add(1)
	if strings.HasSuffix(r.URL.Path, "/slow") {
		b.arrived <- struct{}{}
		<-b.slow
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = fmt.Fprintf(w, `{"path":%q}`, r.URL.Path)
}

type response struct {
	*http.Response
	text string
}

// get returns an empty response with status 0 when there is none.
func (b *testGateway) get(url string) response {
	b.t.Helper()
	res, err := http.Get(url)
	if err != nil {
		return response{Response: &http.Response{Header: http.Header{}}, text: err.Error()}
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	return response{res, string(body)}
}

func (b *testGateway) send(method, url string) int {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, url, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// post sends a form as curl's --data does, and wants 201.
func (b *testGateway) post(path string, data ...string) map[string]any {
	b.t.Helper()
	form := url.Values{}
	for _, d := range data {
		name, value, _ := strings.Cut(d, "=")
		form.Add(name, value)
	}
	res, err := http.PostForm(b.admin+path, form)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusCreated {
		b.t.Fatalf("POST %s %v: %s %s", path, data, res.Status, body)
	}
	var entity map[string]any
	if err := json.Unmarshal(body, &entity); err != nil {
		b.t.Fatal(err)
	}
	return entity
}

func (b *testGateway) eventually(what string, ok func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		select {
		case err := <-b.ended:
			b.t.Fatalf("the program ended (%v) before: %s", err, what)
		default:
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("never came: %s", what)
		}
	}
}

// service makes the first two of the five calls.
func (b *testGateway) service() {
	b.t.Helper()
	b.post("/services", "name=ai-api", "url="+b.origin.URL)
	b.post("/services/ai-api/routes", "paths[]=/ai", "strip_path=false")
}

func TestTheFiveCalls(t *testing.T) {
	b := boot(t)
	b.service()
	b.post("/plugins", "name=proxy-cache", "config.strategy=redis", "config.redis.host="+b.redisHost, "config.redis.port="+b.redisPort,
		"config.content_type[]=application/json", "config.cache_ttl=300", "config.cache_control=true")
	b.post("/plugins", "name=rate-limiting", "config.minute=100", "config.hour=5000", "config.policy=redis",
		"config.redis_host="+b.redisHost, "config.redis_port="+b.redisPort)
	b.post("/plugins", "name=rate-limiting-advanced", "config.limit[]=100", "config.window_size[]=60",
		"config.identifier=consumer", "config.sync_rate=-1")

	// Each plugin arrives in a snapshot of its own: only now is all there.
	b.eventually("the configuration arrives", func() bool {
		r := b.get(b.proxy + "/ai/ready")
		return r.StatusCode == 200 && r.Header.Get("X-RateLimit-Limit-Minute") == "100" && r.Header.Get("X-Cache-Status") != ""
	})
	miss, asked := b.get(b.proxy+"/ai/v1/models/1"), b.asked.Load()
	hit := b.get(b.proxy + "/ai/v1/models/1")
	if miss.Header.Get("X-Cache-Status") != "Miss" || hit.Header.Get("X-Cache-Status") != "Hit" || b.asked.Load() != asked {
		t.Errorf("first %q, then %q", miss.Header.Get("X-Cache-Status"), hit.Header.Get("X-Cache-Status"))
	}
	if hit.text != miss.text || hit.text != `{"path":"/ai/v1/models/1"}` {
		t.Errorf("bodies %q and %q", miss.text, hit.text)
	}
	for name, r := range map[string]response{"X-Kong-Upstream-Latency": miss, "X-Kong-Response-Latency": hit} {
		if r.Header.Get(name) == "" {
			t.Errorf("no %s in %v", name, r.Header)
		}
	}
	if hit.Header.Get("X-Gateway-Node") != "replica" || hit.Header.Get("X-Kong-Upstream-Latency") != "" {
		t.Errorf("headers of a hit: %v", hit.Header)
	}

	purge := b.admin + "/proxy-cache/" + hit.Header.Get("X-Cache-Key")
	if got := b.send("DELETE", purge); got != 204 {
		t.Errorf("purge: %d", got)
	}
	if r := b.get(b.proxy + "/ai/v1/models/1"); r.Header.Get("X-Cache-Status") != "Miss" {
		t.Errorf("after a purge: %q", r.Header.Get("X-Cache-Status"))
	}

	var limited response
	for range 250 { // enough for 100 in one minute where another one begins in between
		if limited = b.get(b.proxy + "/ai/v1/models/1"); limited.StatusCode == 429 {
			break
		}
	}
	if limited.StatusCode != 429 || limited.Header.Get("Retry-After") == "" || limited.Header.Get("X-Kong-Response-Latency") == "" {
		t.Errorf("after more than 100 requests: %d %v", limited.StatusCode, limited.Header)
	}
	metrics := b.get(b.status + "/metrics").text
	for _, want := range []string{
		`gateway_cache_requests_total{outcome="hit",tier="memory"}`, "gateway_redis_up{", "gateway_postgres_connections{",
		"gateway_build_info{", "gateway_config_apply_seconds_count ", "gateway_config_apply_errors_total 0", "go_goroutines ",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}

func TestSnapshotOutlivesPostgres(t *testing.T) {
	b := boot(t)
	if b.postgres == nil {
		t.Log("GATELAB_TEST_POSTGRES is set: its link cannot be cut; only the ending is tested")
		return
	}
	b.service()
	b.eventually("the configuration arrives", func() bool { return b.get(b.proxy+"/ai/a").StatusCode == 200 })
	b.postgres.set(true)
	for range 20 {
		if r := b.get(b.proxy + "/ai/a"); r.StatusCode != 200 {
			t.Fatalf("without Postgres: %d %s", r.StatusCode, r.text)
		}
	}
	if r := b.get(b.status + "/health/ready"); r.StatusCode != 200 {
		t.Errorf("a replica that serves its snapshot is not ready: %d %s", r.StatusCode, r.text)
	}
	b.postgres.set(false)
	b.eventually("changes arrive again", func() bool {
		res, err := http.PostForm(b.admin+"/services/ai-api/routes", url.Values{"name": {"late"}, "paths[]": {"/late"}})
		if err == nil {
			_ = res.Body.Close()
		}
		return b.get(b.proxy+"/late").StatusCode == 200
	})
}

func TestLookupInTheDatabaseIsStrict(t *testing.T) {
	b := boot(t, "--lookup=database", "--pg-max-conns=1", "--pg-acquire-timeout=2s")
	b.service()
	if r := b.get(b.proxy + "/ai/a"); r.StatusCode != 200 {
		t.Errorf("what was acknowledged does not hold for the next request: %d %s", r.StatusCode, r.text)
	}
	if b.postgres == nil {
		return
	}
	b.postgres.set(true)
	if r := b.get(b.proxy + "/ai/a"); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("without Postgres: %d %v, want 503 with Retry-After", r.StatusCode, r.Header)
	}
	b.postgres.set(false)
	b.eventually("it recovers", func() bool { return b.get(b.proxy+"/ai/a").StatusCode == 200 })
}

func TestDrainLetsRequestsEnd(t *testing.T) {
	b := boot(t, "--drain-delay=300ms")
	b.service()
	b.eventually("the configuration arrives", func() bool { return b.get(b.proxy+"/ai/a").StatusCode == 200 })
	inFlight := make(chan response, 1)
	go func() { inFlight <- b.get(b.proxy + "/ai/slow") }()
	<-b.arrived
	b.cancel()
	b.eventually("not ready while draining", func() bool { return b.get(b.status+"/health/ready").StatusCode == 503 })
	close(b.slow)
	if r := <-inFlight; r.StatusCode != 200 {
		t.Errorf("the request in flight got %d %s", r.StatusCode, r.text)
	}
}

func TestPortInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	s, err := load([]string{"--proxy-listen=127.0.0.1:0", "--admin-listen=" + ln.Addr().String(), "--status-listen=127.0.0.1:0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = newProgram(s, slog.New(slog.DiscardHandler), nil)
	if err == nil || !strings.Contains(err.Error(), "admin_listen=") || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v, want the setting and that its port is in use", err)
	}
}

func TestCommands(t *testing.T) {
	free := []string{"--proxy-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--status-listen=127.0.0.1:0"}
	for _, tt := range []struct {
		name    string
		args    []string
		environ []string
		code    int
		out     string // part of stdout and stderr
	}{
		{name: "help", args: []string{"--help"}, out: "GATEWAY_PG_DSN"},
		{name: "help of a command", args: []string{"check", "--help"}, out: "Usage:"},
		{name: "version", args: []string{"version"}, out: "dev"},
		{name: "check", args: []string{"check"}, environ: []string{"GATEWAY_LOOKUP=database"}, out: "environment"},
		{name: "check finds what is wrong", args: []string{"check"}, environ: []string{"GATEWAY_LOOKUP=x"}, code: 2,
			out: "want one of snapshot, database"},
		{name: "the error says what it is about", environ: []string{"KONG_DATABASE=cassandra"}, code: 2,
			out: "gateway: invalid configuration:\n  KONG_DATABASE=\"cassandra\": want postgres or off"},
		{name: "check without a Postgres", args: []string{"check", "--postgres", "--pg-dsn=host=127.0.0.1 port=1 password=hunter2"}, code: 1,
			out: "connect to Postgres"},
		{name: "a Postgres that never starts", code: 1, out: "start with Postgres",
			args: append([]string{"--pg-start-timeout=0s", "--pg-dsn=host=127.0.0.1 port=1 password=hunter2"}, free...)},
		{name: "no such command", args: []string{"start"}, code: 2,
			out: "want run, backup, check, config, health, migrate, migrate-from-kong, restore, token or version"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			if code := run(tt.args, tt.environ, &out, &out); code != tt.code || !strings.Contains(out.String(), tt.out) {
				t.Errorf("code %d, want %d; no %q in\n%s", code, tt.code, tt.out, out.String())
			}
			if strings.Contains(out.String(), "hunter2") {
				t.Errorf("a password is shown:\n%s", out.String())
			}
		})
	}
	dsn := testenv.Postgres(t)
	var out strings.Builder
	if code := run([]string{"migrate", "--pg-dsn=" + dsn}, nil, &out, &out); code != 0 {
		t.Errorf("migrate: %d %s", code, out.String())
	}
	code := run([]string{"check", "--postgres", "--pg-dsn=" + dsn}, nil, &out, &out)
	if code != 0 || !strings.Contains(out.String(), "Postgres answers") {
		t.Errorf("check: %d %s", code, out.String())
	}
}
