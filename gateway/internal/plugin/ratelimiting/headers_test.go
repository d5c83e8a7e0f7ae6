package ratelimiting

import (
	"fmt"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/limit"
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
