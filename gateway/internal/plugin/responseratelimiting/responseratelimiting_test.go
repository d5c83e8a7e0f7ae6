package responseratelimiting

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/limit"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/keyauth"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"response-ratelimiting.header_name":              ".: p.HeaderName",
	"response-ratelimiting.limit_by":                 ".: p.LimitBy",
	"response-ratelimiting.policy":                   ".: p.Policy",
	"response-ratelimiting.fault_tolerant":           "refused",
	"response-ratelimiting.redis_host":               ".: p.RedisHost",
	"response-ratelimiting.redis_port":               ".: p.RedisPort",
	"response-ratelimiting.redis_timeout":            ".: p.RedisTimeout",
	"response-ratelimiting.redis_username":           ".: p.RedisUsername",
	"response-ratelimiting.redis_password":           ".: p.RedisPassword",
	"response-ratelimiting.redis_database":           ".: p.RedisDatabase",
	"response-ratelimiting.redis_ssl":                ".: p.RedisSSL",
	"response-ratelimiting.redis_ssl_verify":         ".: p.RedisSSLVerify",
	"response-ratelimiting.redis_server_name":        ".: p.RedisServerName",
	"response-ratelimiting.block_on_first_violation": ".: p.BlockOnFirstViolation",
	"response-ratelimiting.hide_client_headers":      ".: p.HideClientHeaders",
	"response-ratelimiting.limits":                   ".: p.Limits",
	"response-ratelimiting.limits.second":            ".: w.Second",
	"response-ratelimiting.limits.minute":            ".: w.Minute",
	"response-ratelimiting.limits.hour":              ".: w.Hour",
	"response-ratelimiting.limits.day":               ".: w.Day",
	"response-ratelimiting.limits.month":             ".: w.Month",
	"response-ratelimiting.limits.year":              ".: w.Year",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{"response-ratelimiting": Definition().Config}, nil)
}

func TestSchema(t *testing.T) {
	plugintest.Schema{
		Priority: 900, Config: `{"limits":{"Video":{"minute":10}}}`,
		Refused: map[string]string{
			`{}`:                      "config.limits: ",
			`{"limits":{}}`:           "config.limits: ",
			`{"limits":{"Video":{}}}`: "at least one of these fields must be non-empty: 'second'",
			`{"limits":{"Video":{"minute":2,"hour":1}}}`:               "the limit for hour(1.0) cannot be lower than the limit for minute(2.0)",
			`{"limits":{"Video":{"minute":0}}}`:                        "minute: value should be between",
			`{"limits":{"Video":{"week":1}}}`:                          "week: unknown field",
			`{"limits":{"a b":{"minute":1}}}`:                          "config.limits",
			`{"limits":{"Video":{"minute":1}},"policy":"cluster"}`:     "config.policy: cluster is not supported",
			`{"limits":{"Video":{"minute":1}},"policy":"redis"}`:       "config.redis_host: required field missing",
			`{"limits":{"Video":{"minute":1}},"fault_tolerant":false}`: "config.fault_tolerant: ",
			`{"limits":{"Video":{"minute":1}},"limit_by":"header"}`:    "config.limit_by: expected one of: consumer, credential, ip",
		},
	}.Check(t, Definition())
}

// start has an origin that answers with what the header Cost asks for, and tells what
// it was told is left.
func start(t *testing.T, config entity.Record, more ...entity.Record) *plugintest.Gateway {
	t.Helper()
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cost := r.Header.Get("Cost"); cost != "" {
			w.Header().Set("X-Kong-Limit", cost)
		}
		fmt.Fprintf(w, "%s,%s", r.Header["X-Ratelimit-Remaining-Video"], r.Header["X-Ratelimit-Remaining-Image"])
	})
	return plugintest.Start(t, 0, origin, []plugin.Definition{Definition(), keyauth.Definition()},
		append(more, entity.Record{"name": "response-ratelimiting", "config": config})...)
}

func ask(t *testing.T, g *plugintest.Gateway, cost string, header ...string) string {
	t.Helper()
	res, body := g.Send(t, http.MethodGet, "/", "", append(header, "Cost:"+cost)...)
	if v := res.Header.Get("X-Kong-Limit"); v != "" {
		t.Errorf("the client is told %s", v)
	}
	h := func(name string) string { return strings.Join(res.Header["X-Ratelimit-"+name], ",") }
	return fmt.Sprintf("%d %s|%s/%s %s/%s", res.StatusCode, body, h("Remaining-Video-Hour"), h("Limit-Video-Hour"),
		h("Remaining-Video-Day"), h("Limit-Video-Day"))
}

func TestLimits(t *testing.T) {
	limits := entity.Record{"Video": entity.Record{"hour": 3, "day": 9}, "Image": entity.Record{"year": 100}}
	g := start(t, entity.Record{"limits": limits})
	for i, tt := range []struct{ cost, want string }{
		{"", "200 [3],[100]|3/3 9/9"},
		{"Video=1", "200 [3],[100]|2/3 8/9"},
		{"Video=1, Image=40", "200 [2],[100]|1/3 7/9"},
		{"Other=1,Video=x,Image,Video=-1", "200 [1],[60]|1/3 7/9"},
		{"Video=5", "200 [1],[60]|0/3 6/9"}, // one was left
		{"Image=1", "200 [0],[60]|0/3 6/9"},
		{"Video=1", "429 |0/3 6/9"},
		{"", "200 [0],[59]|0/3 6/9"},
	} {
		if got := ask(t, g, tt.cost); got != tt.want {
			t.Errorf("%d: %s: got %s, want %s", i, tt.cost, got, tt.want)
		}
	}
}

func TestBlocking(t *testing.T) {
	g := start(t, entity.Record{
		"limits": entity.Record{"Video": entity.Record{"day": 1}}, "block_on_first_violation": true, "hide_client_headers": true,
	})
	if got := ask(t, g, "Video=1"); got != "200 [1],[]|/ /" {
		t.Error(got)
	}
	if got := ask(t, g, ""); got != `429 {"message":"API rate limit exceeded for 'Video'"}|/ /` {
		t.Error(got)
	}
}

// TestClients: each is counted for itself.
func TestClients(t *testing.T) {
	g := start(t, entity.Record{"limits": entity.Record{"Video": entity.Record{"day": 1}}},
		entity.Record{"name": "key-auth", "config": entity.Record{"anonymous": "c1"}})
	ask(t, g, "Video=1", "apikey:alices-key")
	if got := ask(t, g, "Video=1", "apikey:alices-key"); !strings.HasPrefix(got, "429") {
		t.Error(got)
	}
	p := &responseLimiting{config: config{LimitBy: "ip"}}
	x := &plugin.Exchange{ClientIP: "1.2.3.4", CredentialID: "k", Consumer: &entity.Consumer{ID: "c"}}
	for by, want := range map[string]client{"ip": {"ip", "1.2.3.4"}, "credential": {"credential", "k"}, "consumer": {"consumer", "c"}} {
		p.LimitBy = by
		if got := p.client(x); got != want {
			t.Errorf("%s: %v", by, got)
		}
	}
}

func TestMemory(t *testing.T) {
	m, now := newMemory(), time.Unix(1000, 0)
	windows := []limit.Window{{Limit: 5, Size: time.Minute}}
	key := seenKey{"r", "c"}
	l := limit.New(limit.Config{}, nil)
	t.Cleanup(func() { _ = l.Close() })
	rule, err := l.Rule(limit.Policy{Namespace: "n", Windows: windows})
	if err != nil {
		t.Fatal(err)
	}
	d, _ := rule.Take("c")
	m.keep(key, &d, 1, now)
	if u := m.find(key, windows, now); u.left[0] != 4 {
		t.Errorf("left %d", u.left[0])
	}
	if u := m.find(key, windows, now.Add(time.Minute)); u.left[0] != 5 {
		t.Errorf("in the next window %d are left", u.left[0])
	}
	for i := range maxSeen + 10 {
		m.keep(seenKey{"r", fmt.Sprint(i)}, &d, 1, now)
	}
	if len(m.seen) > maxSeen {
		t.Errorf("%d are remembered", len(m.seen))
	}
}

func FuzzCosts(f *testing.F) {
	f.Add("Video=2, Image=1")
	f.Fuzz(func(t *testing.T, value string) {
		p := &responseLimiting{config: config{HeaderName: "X-Kong-Limit"}}
		r := &fasthttp.Response{}
		r.Header.Set("X-Kong-Limit", value)
		for name, n := range p.costs(r) {
			if n < 1 || n > maxCost {
				t.Fatalf("%s costs %d", name, n)
			}
		}
	})
}

// TestASlowBodyIsNotWaitedFor: a refused response ends the upstream's.
func TestASlowBodyIsNotWaitedFor(t *testing.T) {
	done := make(chan struct{})
	origin := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Kong-Limit", "Video=1")
		_, _ = io.WriteString(w, strings.Repeat("x", 4096))
		w.(http.Flusher).Flush()
		<-done
	})
	g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()}, entity.Record{
		"name": "response-ratelimiting", "config": entity.Record{"limits": entity.Record{"Video": entity.Record{"day": 1}}},
	})
	t.Cleanup(func() { close(done) })
	first, err := http.Get(g.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = first.Body.Close() })
	res, body := g.Send(t, http.MethodGet, "/", "")
	if res.StatusCode != http.StatusTooManyRequests || body != "" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
}

func TestWhatIsLeftIsNotTheClientsToSay(t *testing.T) {
	g := start(t, entity.Record{"limits": entity.Record{"Video": entity.Record{"hour": 5}}})
	forged := "X-RateLimit-Remaining-Video:99"
	if got := ask(t, g, "", forged, forged); !strings.HasPrefix(got, "200 [5],[]") {
		t.Error(got)
	}
}

// TestARefusedTunnelIsClosed: a client with nothing left must not get the tunnel that
// the upstream has opened.
func TestARefusedTunnelIsClosed(t *testing.T) {
	ended := make(chan error, 9)
	origin := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = c.Close() }()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Accept: x\r\nX-Kong-Limit: Video=1\r\n\r\nhello")
		_ = rw.Flush()
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, err = rw.ReadByte()
		ended <- err
	})
	g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()}, entity.Record{
		"name": "response-ratelimiting", "config": entity.Record{"limits": entity.Record{"Video": entity.Record{"hour": 1}}, "limit_by": "ip"},
	})
	const handshake = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	const next = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	for i, want := range []string{"HTTP/1.1 101 ", "HTTP/1.1 429 "} {
		c, err := net.Dial("tcp", strings.TrimPrefix(g.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err = io.WriteString(c, handshake); err != nil {
			t.Fatal(err)
		}
		br := bufio.NewReader(c)
		line, err := br.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, want) {
			t.Errorf("handshake %d: %q, %v", i, line, err)
		}
		if i == 1 { // the upstream's end comes without the client's
			if err := <-ended; !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the upstream reads on: %v", err)
			}
			_, _ = io.WriteString(c, next)
			rest, _ := io.ReadAll(br)
			text := string(rest)
			if strings.Contains(text, "hello") || strings.Contains(text, "Upgrade:") || !strings.Contains(text, "HTTP/1.1 502 ") {
				t.Errorf("behind the refusal comes %q", text)
			}
		}
		_ = c.Close()
		if i == 0 {
			<-ended
		}
	}
}
