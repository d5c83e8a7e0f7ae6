package ratelimiting

import "testing"

func TestWithoutRedisNoHeaderSpendsAnAddressesQuota(t *testing.T) {
	p := mustLimiting(t, limitDeps(t), "rate-limiting-advanced", map[string]any{
		"strategy": "redis", "redis": map[string]any{"host": "127.0.0.1", "port": 1.0}, "sync_rate": 0.0,
		"identifier": "header", "header_name": "X-Id", "limit": []any{2.0}, "window_size": []any{86400000.0},
	})
	forged := limitExchange()
	forged.ClientIP = "203.0.113.7"
	forged.Ctx.Request.Header.Set("X-Id", "10.0.0.1")
	if n := passes(p, forged, 5); n != 2 {
		t.Errorf("%d passed under the header, want 2", n)
	}
	if n := passes(p, limitExchange(), 5); n != 2 {
		t.Errorf("%d passed from the address that the header named, want 2", n)
	}
}
