package all

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/cache"
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/limit"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logqueue"
	"github.com/gatelab/gatelab/gateway/internal/redisconn"
)

// TestWhatTheSchemaTakesCanBeMade wants the data plane to refuse nothing that
// the Admin API has stored: it would go on with the configuration before, and
// with no later change either.
func TestWhatTheSchemaTakesCanBeMade(t *testing.T) {
	redis := redisconn.NewRegistry(redisconn.Config{}, nil)
	t.Cleanup(func() { _ = redis.Close() })
	limits := limit.New(limit.Config{}, nil)
	t.Cleanup(func() { _ = limits.Close() })
	store, err := cache.New(cache.Config{}, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	queues, err := logqueue.NewRegistry(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(queues.Close)
	plugins := Plugins()
	d := &plugin.Deps{
		Plugins: plugins, Cache: store, Limits: limits, Redis: redis, Queues: queues,
		Registerer: prometheus.NewRegistry(),
	}
	s, _ := plugins.Catalog().ByName("plugins")
	ones := func(n int) string {
		text := "1"
		for range n - 1 {
			text += ",1"
		}
		return "[" + text + "]"
	}
	taken := 0
	for _, body := range []string{
		`{"name":"key-auth"}`,
		`{"name":"key-auth","config":{"key_names":[]}}`,
		`{"name":"key-auth","config":{"key_names":null}}`,
		`{"name":"prometheus"}`,
		`{"name":"request-transformer"}`,
		`{"name":"request-transformer","config":{"add":{"headers":["A:$(headers.x or 'y')"]},"replace":{"uri":"/$(uri_captures[1])"}}}`,
		`{"name":"request-transformer","config":{"add":null}}`,
		`{"name":"response-transformer"}`,
		`{"name":"jwt"}`,
		`{"name":"basic-auth"}`,
		`{"name":"response-ratelimiting","config":{"limits":{"a":{"second":1.5,"year":9007199254740991}},"header_name":null}}`,
		`{"name":"response-ratelimiting","config":{"limits":{"a":{"second":1}},"policy":"redis","redis_host":"h","limit_by":null}}`,
		`{"name":"oauth2","config":{"enable_client_credentials":true,"scopes":null,"auth_header_name":null,"pkce":null}}`,
		`{"name":"cors"}`,
		`{"name":"cors","config":{"origins":["*","^a$","https://(?!x)"],"max_age":0.5}}`,
		`{"name":"correlation-id","config":{"header_name":null}}`,
		`{"name":"ip-restriction","config":{"deny":["::/0","1.2.3.4"],"message":null}}`,
		`{"name":"request-size-limiting","config":{"allowed_payload_size":null}}`,
		`{"name":"request-termination"}`,
		`{"name":"file-log","config":{"path":"/nowhere/x"}}`,
		`{"name":"http-log","config":{"http_endpoint":"http://h","keepalive":null,"timeout":null,"method":null}}`,
		`{"name":"http-log","config":{"http_endpoint":"http://h","queue":{"max_batch_size":null,"max_entries":null}}}`,
		`{"name":"tcp-log","config":{"host":"h","port":1,"timeout":null}}`,
		`{"name":"udp-log","config":{"host":"h","port":1}}`,
		`{"name":"syslog","config":{"facility":"local0"}}`,
		`{"name":"statsd","config":{"allow_status_codes":["200-299"],"metrics":null,"udp_packet_size":null}}`,
		`{"name":"datadog"}`,
		`{"name":"opentelemetry","config":{"endpoint":"http://h","connect_timeout":null,"headers":null}}`,
		`{"name":"hmac-auth","config":{"enforce_headers":null,"algorithms":["hmac-sha1"]}}`,
		`{"name":"bot-detection","config":{"allow":["a|b"],"deny":null}}`,
		`{"name":"response-transformer","config":{"add":{"json":["a:1e400","b:-0"],"json_types":["number","number"]}}}`,
		`{"name":"proxy-cache","config":{"content_type":[]}}`,
		`{"name":"proxy-cache","config":{"content_type":["text/*","*/*","application/json; charset=utf-8"]}}`,
		`{"name":"proxy-cache","config":{"content_type":["a/b/c"]}}`,
		`{"name":"proxy-cache","config":{"strategy":"redis","redis":{"host":"h","database":99}}}`,
		`{"name":"proxy-cache","config":{"cache_ttl":null,"storage_ttl":2147483646}}`,
		`{"name":"rate-limiting","config":{"second":0.5}}`,
		`{"name":"rate-limiting","config":{"second":1.5}}`,
		`{"name":"rate-limiting","config":{"year":9007199254740991}}`,
		`{"name":"rate-limiting","config":{"year":9.3e18}}`,
		`{"name":"rate-limiting","config":{"minute":1,"error_code":0.5}}`,
		`{"name":"rate-limiting","config":{"minute":1,"error_code":null,"sync_rate":null}}`,
		`{"name":"rate-limiting","config":{"minute":1,"policy":"redis","redis_host":"h","redis_port":null,"sync_rate":86400}}`,
		`{"name":"rate-limiting","config":{"minute":1,"limit_by":"consumer-group"}}`,
		`{"name":"rate-limiting","config":{"minute":1,"limit_by":"header"}}`,
		`{"name":"rate-limiting-advanced","config":{"limit":` + ones(limit.MaxWindows) + `,"window_size":` + ones(limit.MaxWindows) + `}}`,
		`{"name":"rate-limiting-advanced","config":{"limit":` + ones(limit.MaxWindows+1) + `,"window_size":` + ones(limit.MaxWindows+1) + `}}`,
		`{"name":"rate-limiting-advanced","config":{"limit":[0.5],"window_size":[1]}}`,
		`{"name":"rate-limiting-advanced","config":{"limit":[1],"window_size":[1.5]}}`,
		`{"name":"rate-limiting-advanced","config":{"limit":[9007199254740991],"window_size":[2147483647]}}`,
		`{"name":"rate-limiting-advanced","config":{"limit":[1],"window_size":[2147483648]}}`,
		`{"name":"rate-limiting-advanced","config":{"limit":[1],"window_size":[9e17]}}`,
		`{"name":"rate-limiting-advanced","config":{"limit":[1],"window_size":[1],"identifier":"path"}}`,
	} {
		in, err := s.DecodeJSON([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.ProcessInsert(in, time.Now(), "")
		if err != nil {
			continue
		}
		taken++
		p, err := entity.Decode[entity.Plugin](r)
		if err != nil {
			t.Errorf("%s is taken, and cannot be read: %v", body, err)
			continue
		}
		if _, err := plugin.NewChains(&entity.Config{Plugins: []entity.Plugin{p}}, d); err != nil {
			t.Errorf("%s is taken, and cannot be made: %v", body, err)
		}
	}
	if taken < 10 {
		t.Errorf("only %d were taken", taken)
	}
}
