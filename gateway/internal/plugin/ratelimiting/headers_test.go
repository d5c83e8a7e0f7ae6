package ratelimiting

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/limit"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

func TestRateLimitingTellsTheClient(t *testing.T) {
	p := mustLimiting(t, limitDeps(t), "rate-limiting", map[string]any{"hour": 2.0, "year": 2.0, "error_code": 429.0})
	x := limitExchange()
	if pass(p, x) {
		t.Fatal("the first request was refused")
	}
	for _, want := range []string{
		"X-RateLimit-Limit-Hour: 2\r\n", "X-RateLimit-Remaining-Hour: 1\r\n",
		"X-RateLimit-Limit-Year: 2\r\n", "X-RateLimit-Remaining-Year: 1\r\n",
		"RateLimit-Limit: 2\r\n", "RateLimit-Remaining: 1\r\n",
	} {
		if !strings.Contains(wire(x), want) {
			t.Errorf("no %q in\n%s", want, wire(x))
		}
	}
	pass(p, x)
	if !pass(p, x) || !x.Limited {
		t.Fatal("the third request passed, or is not marked")
	}
	for _, want := range []string{
		"HTTP/1.1 429 Too Many Requests", `{"message":"API rate limit exceeded"}`, "Content-Type: application/json; charset=utf-8",
		"X-RateLimit-Remaining-Hour: 0\r\n", "RateLimit-Remaining: 0\r\n", "RateLimit-Reset: ", "Retry-After: ",
	} {
		if !strings.Contains(wire(x), want) {
			t.Errorf("no %q in\n%s", want, wire(x))
		}
	}
	if strings.Contains(wire(x), "Retry-After: 0") {
		t.Error("Retry-After: 0")
	}
}

func TestTheTightestWindowIsInTheStandardHeaders(t *testing.T) {
	windows := limit.Calendar([6]int64{0, 0, 5, 9, 0, 5})
	l := limit.New(limit.Config{}, nil)
	defer l.Close()
	r, err := l.Rule(limit.Policy{Windows: windows})
	if err != nil {
		t.Fatal(err)
	}
	d, _ := r.Take("k")
	var h fasthttp.ResponseHeader
	newLimitHeaders(windows).set(&h, &d)
	text := h.String()
	if !strings.Contains(text, "\nRateLimit-Remaining: 4\r") || !strings.Contains(text, fmt.Sprintf("\nRateLimit-Reset: %d\r", d.Reset(2))) {
		t.Errorf("want the year's:\n%s", text)
	}
	if !strings.Contains(text, "X-RateLimit-Remaining-Day: 8") {
		t.Errorf("no day:\n%s", text)
	}
}

func TestTheUpstreamsOwnLimitHeadersAreReplaced(t *testing.T) {
	p := mustLimiting(t, limitDeps(t), "rate-limiting", map[string]any{"year": 2.0})
	x := limitExchange()
	p.Access(x)
	x.Ctx.Response.Header.Set("RateLimit-Limit", "77")
	p.HeaderFilter(x)
	if n := strings.Count(strings.ToLower(wire(x)), "\nratelimit-limit:"); n != 1 || strings.Contains(wire(x), "Limit: 77") {
		t.Errorf("%d headers:\n%s", n, wire(x))
	}
}

func TestHiddenHeadersStayHidden(t *testing.T) {
	p := mustLimiting(t, limitDeps(t), "rate-limiting",
		map[string]any{"year": 1.0, "hide_client_headers": true, "error_code": 503.0, "error_message": `no "more"`})
	x := limitExchange()
	for i := range 2 {
		pass(p, x)
		if low := strings.ToLower(wire(x)); strings.Contains(low, "ratelimit") || strings.Contains(low, "retry-after") {
			t.Errorf("request %d:\n%s", i, wire(x))
		}
	}
	if x.Ctx.Response.StatusCode() != 503 || string(x.Ctx.Response.Body()) != `{"message":"no \"more\""}` {
		t.Errorf("%s", wire(x))
	}
}

// TestARefusedClientIsToldOneTime, in Retry-After, RateLimit-Reset and RateLimit.
func TestARefusedClientIsToldOneTime(t *testing.T) {
	const long = 86_400_000 // seconds, so that no test crosses the end of a window
	for name, config := range map[string]entity.Record{
		"sliding":        {"limit": []any{2}, "window_size": []any{long}},
		"fixed":          {"limit": []any{2}, "window_size": []any{long}, "window_type": "fixed"},
		"token bucket":   {"limit": []any{1}, "burst": []any{2}, "window_size": []any{long}, "window_type": "token_bucket"},
		"longer by half": {"limit": []any{2, 2}, "window_size": []any{long, 3 * long / 2}},
		"jitter":         {"limit": []any{2}, "window_size": []any{long}, "retry_after_jitter_max": 1},
	} {
		t.Run(name, func(t *testing.T) {
			config["identifier"], config["strategy"] = "ip", "local"
			config["standard_headers"] = true
			g := plugintest.Start(t, 0, http.NotFoundHandler(), []plugin.Definition{Advanced()},
				entity.Record{"name": "rate-limiting-advanced", "config": config})
			res, _ := g.Send(t, http.MethodGet, "/", "")
			if wait := secondsIn(t, res, "Ratelimit-Reset"); res.StatusCode != http.StatusNotFound || wait > 3*long/2 {
				t.Errorf("status %d, reset in %d with a request left: want the end of the window", res.StatusCode, wait)
			}
			last, _ := g.Send(t, http.MethodGet, "/", "")
			refused, text := g.Send(t, http.MethodGet, "/", "")
			after, reset := secondsIn(t, refused, "Retry-After"), secondsIn(t, refused, "Ratelimit-Reset")
			if refused.StatusCode != http.StatusTooManyRequests || after < reset || after > reset+1 || after > reset && name != "jitter" {
				t.Errorf("status %d, Retry-After %d, RateLimit-Reset %d: %s", refused.StatusCode, after, reset, text)
			}
			if told := secondsIn(t, last, "Ratelimit-Reset"); told < reset || told > reset+30 {
				t.Errorf("the client of the last request was told to come again in %d, the next one in %d", told, reset)
			}
			if field := refused.Header.Get("Ratelimit"); !strings.Contains(field, fmt.Sprintf(";r=0;t=%d", reset)) {
				t.Errorf("RateLimit %s has no t=%d", field, reset)
			}
		})
	}
}

func secondsIn(t *testing.T, res *http.Response, field string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(res.Header.Get(field), 10, 64)
	if err != nil {
		t.Errorf("%s: %v", field, err)
	}
	return n
}
