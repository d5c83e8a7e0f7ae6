package all

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/cache"
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/limit"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logqueue"
	"github.com/gatelab/gatelab/gateway/internal/redisconn"
)

type c = map[string]any

// benched are configurations of plugins that let the request of the benchmark pass.
var benched = []struct {
	name   string
	config c
}{
	{"acl", c{"allow": []any{"gold"}}},
	{"adaptive-concurrency", nil},
	{"ai-rate-limiting", c{"limit": []any{1_000_000_000}, "window_size": []any{3600}}},
	{"basic-auth", nil},
	{"bot-detection", nil},
	{"canary", c{"percentage": 50, "upstream_host": "next"}},
	{"concurrency-limiting", c{"limit": 1000, "limit_by": "ip"}},
	{"correlation-id", c{"header_name": "X-Id"}},
	{"cors", nil},
	{"datadog", nil},
	{"file-log", c{"path": "/dev/null"}},
	{"grpc-web", nil},
	{"hmac-auth", c{"enforce_headers": []any{"date", "request-line"}}},
	{"http-log", c{"http_endpoint": "http://127.0.0.1:1/", "queue": c{"max_retry_time": -1, "max_entries": 100}}},
	{"ip-restriction", c{"allow": []any{"10.0.0.0/8"}}},
	{"jwt", c{"header_names": []any{"x-jwt"}}},
	{"key-auth", nil},
	{"mirror", c{"url": "http://127.0.0.1:1", "queue_entries": 1}},
	{"oauth2", c{"enable_client_credentials": true, "auth_header_name": "x-token"}},
	{"opentelemetry", c{"endpoint": "http://127.0.0.1:1/"}},
	{"prometheus", nil},
	{"rate-limiting", c{"hour": 1_000_000_000}},
	{"rate-limiting-advanced", c{"limit": []any{1_000_000_000}, "window_size": []any{3600}}},
	{"request-size-limiting", nil},
	{"request-termination", c{"trigger": "X-Stop"}},
	{"request-transformer", c{"add": c{"headers": []any{"X-A:1"}}}},
	{"response-ratelimiting", c{"limits": c{"Video": c{"hour": 1_000_000_000}}}},
	{"response-transformer", c{"add": c{"headers": []any{"X-A:1"}}}},
	{"statsd", nil},
	{"tcp-log", c{"host": "127.0.0.1", "port": 1}},
	{"udp-log", c{"host": "127.0.0.1", "port": 1}},
	{"zipkin", c{"sample_ratio": 0}},
}

// unmeasured are the plugins that are not in benched, and why.
var unmeasured = map[string]string{
	"mtls-auth":     "needs a TLS connection",
	"openid-bearer": "needs a provider",
	"proxy-cache":   "its hits end the request: BenchmarkProxyCacheHit",
	"syslog":        "needs a daemon",
}

// ten is a chain as a busy route has it.
var ten = []string{
	"cors", "correlation-id", "ip-restriction", "key-auth", "acl", "rate-limiting", "request-transformer", "response-transformer",
	"prometheus", "opentelemetry",
}

// deps are what plugins need in the benchmarks; nothing is reached over the network.
func deps(b testing.TB) *plugin.Deps {
	b.Helper()
	redis := redisconn.NewRegistry(redisconn.Config{}, nil)
	limits := limit.New(limit.Config{}, nil)
	store, err := cache.New(cache.Config{}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	queues, err := logqueue.NewRegistry(nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		queues.Close()
		_, _ = store.Close(), limits.Close()
		_ = redis.Close()
	})
	return &plugin.Deps{
		Plugins: Plugins(), Cache: store, Limits: limits, Redis: redis, Queues: queues, Registerer: prometheus.NewRegistry(),
		Log: slog.New(slog.DiscardHandler),
	}
}

// bench is a chain and the request that passes it.
type bench struct {
	chain *plugin.Chain
	x     *plugin.Exchange
	route *entity.Route
	dir   *plugin.Directory
	// consumer is the consumer of the request before the chain runs; nil: none.
	consumer *entity.Consumer
	in       *bytes.Reader
	br       *bufio.Reader
}

func newBench(b testing.TB, names ...string) *bench {
	b.Helper()
	d := deps(b)
	of := entity.Ref{ID: "c1"}
	cfg := &entity.Config{
		Consumers: []entity.Consumer{{ID: "c1", Username: "alice"}}, KeyAuths: []entity.KeyAuth{{ID: "k", Key: "secret-key", Consumer: of}},
		ACLs:              []entity.ACL{{ID: "g", Group: "gold", Consumer: of}},
		JWTSecrets:        []entity.JWTSecret{{ID: "j", Key: "iss", Algorithm: "HS256", Secret: "s3cret", Consumer: of}},
		BasicAuths:        []entity.BasicAuth{{ID: "b", Username: "al", Password: sha1OfXAndC1, Consumer: of}},
		HMACAuths:         []entity.HMACAuth{{ID: "h", Username: "al", Secret: "s3cret", Consumer: of}},
		OAuth2Credentials: []entity.OAuth2Credential{{ID: "a", ClientID: "app", Consumer: of}},
		OAuth2Tokens:      []entity.OAuth2Token{{ID: "t", AccessToken: "token", Credential: entity.Ref{ID: "a"}, Service: &entity.Ref{ID: "s1"}}},
	}
	schema, _ := d.Plugins.Catalog().ByName("plugins")
	for _, name := range names {
		var config c
		for _, one := range benched {
			if one.name == name {
				config = one.config
			}
		}
		r, err := schema.ProcessInsert(entity.Record{"name": name, "config": config}, time.Now(), "")
		if err != nil {
			b.Fatal(err)
		}
		p, err := entity.Decode[entity.Plugin](r)
		if err != nil {
			b.Fatal(err)
		}
		cfg.Plugins = append(cfg.Plugins, p)
	}
	chains, err := plugin.NewChains(cfg, d)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { // gives up what the plugins keep
		if none, err := plugin.NewChains(&entity.Config{}, d); err == nil {
			none.KeepOnly(d)
		}
	})
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": "iss"}).SignedString([]byte("s3cret"))
	if err != nil {
		b.Fatal(err)
	}
	authorization := "Basic " + base64.StdEncoding.EncodeToString([]byte("al:x"))
	switch {
	case slices.Contains(names, "hmac-auth"):
		authorization = signed()
	case slices.Contains(names, "grpc-web"):
		authorization += "\r\nContent-Type: application/grpc-web"
	}
	route := &entity.Route{ID: "r1", Service: &entity.Ref{ID: "s1"}}
	in := bytes.NewReader([]byte(requestLine + "\r\nHost: gateway.example\r\nUser-Agent: bench\r\n" +
		"Accept: application/json\r\nOrigin: https://page\r\nApikey: secret-key\r\nX-Jwt: Bearer " + token + "\r\nX-Token: Bearer token\r\n" +
		"Date: " + date + "\r\nAuthorization: " + authorization + "\r\n\r\n"))
	near, far := net.Pipe()
	b.Cleanup(func() { _, _ = near.Close(), far.Close() })
	x := &plugin.Exchange{Ctx: &fasthttp.RequestCtx{}}
	x.Ctx.Init2(addressed{near}, nil, false)
	p := &bench{chain: chains.For(route), x: x, route: route, dir: plugin.NewDirectory(cfg), in: in, br: bufio.NewReader(in)}
	if len(names) == 1 && names[0] == "acl" { // which wants a consumer to be known
		p.consumer = &cfg.Consumers[0]
	}
	return p
}

// sha1OfXAndC1 is what basic-auth stores of the password x of the consumer c1.
const sha1OfXAndC1 = "28f031e7efdd22ab097ea33f16637dd86077d647"

const requestLine = "GET /ai/v1/models/17?fields=all HTTP/1.1"

var date = time.Now().UTC().Format(http.TimeFormat)

// signed is an Authorization of hmac-auth.
func signed() string {
	mac := hmac.New(sha256.New, []byte("s3cret"))
	_, _ = mac.Write([]byte("date: " + date + "\n" + requestLine))
	return `hmac username="al", algorithm="hmac-sha256", headers="date request-line", signature="` +
		base64.StdEncoding.EncodeToString(mac.Sum(nil)) + `"`
}

// addressed is a connection that has an address.
type addressed struct{ net.Conn }

func (addressed) RemoteAddr() net.Addr { return address }
func (addressed) LocalAddr() net.Addr  { return address }

var (
	address = &net.TCPAddr{IP: net.IPv4(10, 0, 0, 7), Port: 40000}
	service = &entity.Service{ID: "s1", Name: "s", Protocol: "http", Host: "h", Port: 80}
	body    = []byte(`{"id":17}`)
)

// pass is one request: the plugins' phases, with an answer of the upstream between.
func (p *bench) pass(b testing.TB) {
	ctx := p.x.Ctx
	_, _ = p.in.Seek(0, io.SeekStart)
	p.br.Reset(p.in)
	if err := ctx.Request.Header.Read(p.br); err != nil {
		b.Fatal(err)
	}
	ctx.Response.Reset()
	p.x.Reset()
	p.x.Ctx, p.x.Directory = ctx, p.dir
	p.x.Route, p.x.Service = p.route, service
	p.x.ClientIP, p.x.Started = "10.0.0.7", time.Now()
	p.x.Scheme, p.x.Host = "http", "gateway.example"
	p.x.Consumer = p.consumer
	if p.chain.Access(p.x) {
		b.Fatalf("a plugin has answered: %s", &ctx.Response)
	}
	p.x.Asked, p.x.Proxied = p.x.Started, true
	ctx.Response.Header.SetContentType("application/json")
	ctx.Response.SetBodyRaw(body)
	if err := p.chain.Filter(p.x); err != nil {
		b.Fatal(err)
	}
	p.chain.Log(p.x)
	ctx.ResetUserValues()
}

// BenchmarkPlugins is what each plugin adds to a request; "none" is the benchmark's
// own part, which is in the others, too. cpu-ns is CPU time of the whole process, with
// the garbage collector's and that of queues: beside other work it says more than ns.
func BenchmarkPlugins(b *testing.B) {
	for _, names := range measured() {
		b.Run(names[0], func(b *testing.B) {
			p := newBench(b, names[1:]...)
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				p.pass(b)
			}
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// measured are the benchmarks: a name, and the plugins.
func measured() [][]string {
	out := [][]string{{"none"}}
	for _, one := range benched {
		out = append(out, []string{one.name, one.name})
	}
	return append(out, append([]string{"ten"}, ten...))
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestBenchmarkedPlugins wants requests to pass each plugin of the benchmark, twice, and
// every plugin to be measured, or to have a reason why not.
func TestBenchmarkedPlugins(t *testing.T) {
	names := map[string]bool{}
	for _, one := range benched {
		names[one.name] = true
	}
	for _, d := range Definitions() {
		if names[d.Name] == (unmeasured[d.Name] != "") {
			t.Errorf("%s: want it in benched or in unmeasured", d.Name)
		}
	}
	for _, names := range measured() {
		t.Run(names[0], func(t *testing.T) {
			t.Parallel() // queues take seconds to end
			p := newBench(t, names[1:]...)
			p.pass(t)
			p.pass(t)
		})
	}
}
