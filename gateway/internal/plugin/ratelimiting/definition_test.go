package ratelimiting

import (
	"reflect"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

var uses = entitytest.Uses{
	"rate-limiting.second":                          ".: c.Second",
	"rate-limiting.minute":                          ".: c.Minute",
	"rate-limiting.hour":                            ".: c.Hour",
	"rate-limiting.day":                             ".: c.Day",
	"rate-limiting.month":                           ".: c.Month",
	"rate-limiting.year":                            ".: c.Year",
	"rate-limiting.limit_by":                        `.: json:"limit_by" + .LimitBy`,
	"rate-limiting.header_name":                     `.: json:"header_name" + .HeaderName`,
	"rate-limiting.path":                            `.: json:"path" + .Path`,
	"rate-limiting.policy":                          `.: json:"policy" + .Policy`,
	"rate-limiting.fault_tolerant":                  `.: json:"fault_tolerant" + .FaultTolerant`,
	"rate-limiting.hide_client_headers":             `.: json:"hide_client_headers" + .HideClientHeaders`,
	"rate-limiting.error_code":                      `.: json:"error_code" + .ErrorCode`,
	"rate-limiting.error_message":                   `.: json:"error_message" + .ErrorMessage`,
	"rate-limiting.sync_rate":                       `.: json:"sync_rate" + .SyncRate`,
	"rate-limiting-advanced.identifier":             `.: json:"identifier" + .Identifier`,
	"rate-limiting-advanced.window_size":            `.: json:"window_size" + .WindowSize`,
	"rate-limiting-advanced.window_type":            `.: json:"window_type" + .WindowType`,
	"rate-limiting-advanced.burst":                  `.: json:"burst" + .Burst`,
	"rate-limiting-advanced.limit":                  `.: json:"limit" + .Limit`,
	"rate-limiting-advanced.sync_rate":              `.: json:"sync_rate" + .SyncRate`,
	"rate-limiting-advanced.namespace":              `.: json:"namespace" + .Namespace`,
	"rate-limiting-advanced.strategy":               `.: json:"strategy" + .Strategy`,
	"rate-limiting-advanced.dictionary_name":        "refused",
	"rate-limiting-advanced.hide_client_headers":    `.: json:"hide_client_headers" + .HideClientHeaders`,
	"rate-limiting-advanced.retry_after_jitter_max": `.: json:"retry_after_jitter_max" + .JitterMax`,
	"rate-limiting-advanced.header_name":            `.: json:"header_name" + .HeaderName`,
	"rate-limiting-advanced.path":                   `.: json:"path" + .Path`,
	"rate-limiting-advanced.disable_penalty":        "refused",
	"rate-limiting-advanced.error_code":             `.: json:"error_code" + .ErrorCode`,
	"rate-limiting-advanced.error_message":          `.: json:"error_message" + .ErrorMessage`,
	"rate-limiting.standard_headers":                `.: json:"standard_headers" + .StandardHeaders`,
	"rate-limiting.dry_run":                         `.: json:"dry_run" + .DryRun`,
	"rate-limiting.exempt_consumers":                `.: json:"exempt_consumers" + .ExemptConsumers`,
	"rate-limiting.exempt_ips":                      `.: json:"exempt_ips" + .ExemptIPs`,
	"rate-limiting.ipv6_prefix":                     `.: json:"ipv6_prefix" + .IPv6Prefix`,
	"rate-limiting-advanced.standard_headers":       `.: json:"standard_headers" + .StandardHeaders`,
	"rate-limiting-advanced.dry_run":                `.: json:"dry_run" + .DryRun`,
	"rate-limiting-advanced.exempt_consumers":       `.: json:"exempt_consumers" + .ExemptConsumers`,
	"rate-limiting-advanced.exempt_ips":             `.: json:"exempt_ips" + .ExemptIPs`,
	"rate-limiting-advanced.ipv6_prefix":            `.: json:"ipv6_prefix" + .IPv6Prefix`,
	"rate-limiting.local_share":                     `.: json:"local_share" + .LocalShare`,
	"rate-limiting-advanced.local_share":            `.: json:"local_share" + .LocalShare`,
	// In redisconfig, and in TestEveryRedisFieldIsUsed.
	"rate-limiting.redis":          "elsewhere",
	"rate-limiting-advanced.redis": "elsewhere",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{
		"rate-limiting": Definition().Config, "rate-limiting-advanced": Advanced().Config,
	}, nil)
}

func insert(t *testing.T, body string) (entity.Record, error) {
	t.Helper()
	return entitytest.Insert(t, plugin.NewSet(Definition(), Advanced()).Catalog(), "plugins", body)
}

func TestRefusedConfigurations(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{
			name: "no limit", body: `{"name":"rate-limiting","config":{}}`,
			want: "at least one of these fields must be non-empty: 'second', 'minute', 'hour', 'day', 'month', 'year'",
		},
		{
			name: "limits that decrease", body: `{"name":"rate-limiting","config":{"minute":100,"hour":5}}`,
			want: "The limit for hour(5.0) cannot be lower than the limit for minute(100.0)",
		},
		{
			name: "half a status", body: `{"name":"rate-limiting","config":{"minute":1,"error_code":429.5}}`,
			want: "config.error_code: expected an integer",
		},
		{
			name: "a limit beyond int64", body: `{"name":"rate-limiting","config":{"minute":1e30}}`,
			want: "config.minute: value should be between",
		},
		{
			name: "a database below 0", body: `{"name":"rate-limiting","config":{"minute":1,"redis":{"database":-1}}}`,
			want: "config.redis.database: value should be between 0 and 65535",
		},
		{
			name: "a database below 0, flat", body: `{"name":"rate-limiting","config":{"minute":1,"redis_database":-1}}`,
			want: "config.redis_database: value should be between 0 and 65535",
		},
		{
			name: "Redis without a host", body: `{"name":"rate-limiting","config":{"minute":1,"policy":"redis"}}`,
			want: "config.redis.host: required field missing",
		},
		{
			name: "no address", body: `{"name":"rate-limiting","config":{"minute":1,"exempt_ips":["10.0.0.0/33"]}}`,
			want: `config.exempt_ips: "10.0.0.0/33": want an address or a range`,
		},
		{
			name: "leases without a host", body: `{"name":"rate-limiting","config":{"minute":1,"policy":"leased"}}`,
			want: "config.redis.host: required field missing",
		},
		{
			name: "counters in the database", body: `{"name":"rate-limiting","config":{"minute":1,"policy":"cluster"}}`,
			want: "config.redis.host: required field missing: cluster counts in Redis as leased does, not in the database",
		},
		{
			name: "no header to count by", body: `{"name":"rate-limiting","config":{"minute":1,"limit_by":"header"}}`,
			want: "config.header_name: required field missing",
		},
		{
			name: "no path to count by", body: `{"name":"rate-limiting","config":{"minute":1,"limit_by":"path"}}`,
			want: "config.path: required field missing",
		},
		{
			name: "another identity", body: `{"name":"rate-limiting","config":{"minute":1,"limit_by":"moon"}}`,
			want: "config.limit_by: expected one of: consumer, credential, ip, service, header, path, consumer-group",
		},
		{
			name: "advanced: half a second", body: `{"name":"rate-limiting-advanced","config":{"limit":[1],"window_size":[0.5]}}`,
			want: "config.window_size: expected an integer",
		},
		{
			name: "advanced: no second", body: `{"name":"rate-limiting-advanced","config":{"limit":[1],"window_size":[0]}}`,
			want: "config.window_size: value should be between 1",
		},
		{
			name: "advanced: a window beyond time.Duration",
			body: `{"name":"rate-limiting-advanced","config":{"limit":[1],"window_size":[1e12]}}`,
			want: "config.window_size: value should be between 1",
		},
		{
			name: "advanced: no request", body: `{"name":"rate-limiting-advanced","config":{"limit":[0],"window_size":[1]}}`,
			want: "config.limit: value should be between 1",
		},
		{
			name: "advanced: half a request",
			body: `{"name":"rate-limiting-advanced","config":{"limit":[1.5],"window_size":[1]}}`,
			want: "config.limit: expected an integer",
		},
		{
			name: "advanced: a burst without a bucket",
			body: `{"name":"rate-limiting-advanced","config":{"limit":[1],"window_size":[1],"burst":[2]}}`,
			want: "config.burst: only with window_type token_bucket",
		},
		{
			name: "advanced: one burst for two buckets",
			body: `{"name":"rate-limiting-advanced","config":{"limit":[1,2],"window_size":[1,2],"burst":[2],"window_type":"token_bucket"}}`,
			want: "config.burst: 1 sizes for 2 limits: want one for each",
		},
		{
			name: "advanced: a leased bucket",
			body: `{"name":"rate-limiting-advanced","config":{"limit":[1],"window_size":[1],"window_type":"token_bucket",
				"strategy":"leased","redis":{"host":"h"}}}`,
			want: "config.strategy: token buckets are not leased",
		},
		{
			name: "advanced: a bucket that is too large",
			body: `{"name":"rate-limiting-advanced","config":{"limit":[1],"window_size":[1],"window_type":"token_bucket","burst":[1000000001]}}`,
			want: "config.burst: 1000000001: want at most 1000000000",
		},
		{
			name: "advanced: nine windows",
			body: `{"name":"rate-limiting-advanced","config":{"limit":[1,1,1,1,1,1,1,1,1],"window_size":[1,1,1,1,1,1,1,1,1]}}`,
			want: "config.limit: length must be at most 8, but is 9",
		},
		{
			name: "advanced: no windows", body: `{"name":"rate-limiting-advanced","config":{"limit":[],"window_size":[]}}`,
			want: "config.limit: length must be at least 1",
		},
		{
			name: "advanced: half a status",
			body: `{"name":"rate-limiting-advanced","config":{"limit":[1],"window_size":[1],"error_code":429.5}}`,
			want: "config.error_code: expected an integer",
		},
		{
			name: "advanced: exchanges without a pause",
			body: `{"name":"rate-limiting-advanced","config":{"limit":[1],"window_size":[1],"sync_rate":0.000000001}}`,
			want: "config.sync_rate: value should be -1, 0, or at least 0.02",
		},
		{
			name: "advanced: windows without limits",
			body: `{"name":"rate-limiting-advanced","config":{"limit":[1],"window_size":[1,2]}}`,
			want: "You must provide the same number of windows and limits",
		},
		{
			name: "advanced: another dictionary",
			body: `{"name":"rate-limiting-advanced","config":{"limit":[1],"window_size":[1],"dictionary_name":"mine"}}`,
			want: "config.dictionary_name: value must be kong_rate_limiting_counters: ",
		},
		{
			name: "advanced: a penalty",
			body: `{"name":"rate-limiting-advanced","config":{"limit":[1],"window_size":[1],"disable_penalty":false}}`,
			want: "config.disable_penalty: value must be true: ",
		},
		{
			name: "advanced: counters in the database",
			body: `{"name":"rate-limiting-advanced","config":{"limit":[1],"window_size":[1],"strategy":"cluster"}}`,
			want: "config.redis.host: required field missing: cluster counts in Redis as leased does, not in the database",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := insert(t, tt.body)
			entitytest.Refused(t, err, tt.want)
		})
	}
}

func TestDefaults(t *testing.T) {
	r, err := insert(t, `{"name":"rate-limiting","config":{"minute":5}}`)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"second": nil, "minute": int64(5), "hour": nil, "day": nil, "month": nil, "year": nil,
		"limit_by": "consumer", "header_name": nil, "path": nil, "policy": "local", "fault_tolerant": true,
		"redis": map[string]any{
			"host": nil, "port": int64(6379), "timeout": int64(2000), "username": nil, "password": nil, "database": int64(0),
			"ssl": false, "ssl_verify": false, "server_name": nil,
			"sentinel_master": nil, "sentinel_role": nil, "sentinel_nodes": nil, "sentinel_addresses": nil, "sentinel_username": nil,
			"sentinel_password": nil, "cluster_nodes": nil, "cluster_addresses": nil, "cluster_max_redirections": int64(5),
		},
		"hide_client_headers": false, "error_code": int64(429), "error_message": "API rate limit exceeded", "sync_rate": int64(-1),
		"standard_headers": false, "dry_run": false, "exempt_consumers": nil, "exempt_ips": nil, "ipv6_prefix": int64(128), "local_share": false,
		"redis_host": nil, "redis_port": int64(6379), "redis_timeout": int64(2000), "redis_username": nil, "redis_password": nil,
		"redis_database": int64(0), "redis_ssl": false, "redis_ssl_verify": false, "redis_server_name": nil,
	}
	if !reflect.DeepEqual(r["config"], want) {
		t.Errorf("config\n%v\nwant\n%v", r["config"], want)
	}
}

func TestAsMuchAsThereMayBeIsAccepted(t *testing.T) {
	const most = `{"name":"rate-limiting-advanced","config":{"sync_rate":-1,
		"limit":[1,1,1,1,1,1,1,1],"window_size":[1,1,1,1,1,1,1,2147483647]}}`
	r, err := insert(t, most)
	if err != nil {
		t.Fatal(err)
	}
	if namespace, _ := entitytest.At(r, "config", "namespace").(string); len(namespace) != 36 {
		t.Errorf("namespace %q, want a UUID", namespace)
	}
}

func TestBothSpellingsOfRedis(t *testing.T) {
	for _, tt := range []struct {
		name, config string
		want         string // host in both
	}{
		{name: "nested", config: `"redis":{"host":"a"}`, want: "a"},
		{name: "flat", config: `"redis_host":"b"`, want: "b"},
		{name: "both: the nested one wins", config: `"redis":{"host":"a"},"redis_host":"b"`, want: "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := insert(t, `{"name":"rate-limiting","config":{"minute":1,"policy":"redis",`+tt.config+`}}`)
			if err != nil {
				t.Fatal(err)
			}
			nested, flat := entitytest.At(r, "config", "redis", "host"), entitytest.At(r, "config", "redis_host")
			if nested != tt.want || flat != tt.want {
				t.Errorf("redis.host %v, redis_host %v", nested, flat)
			}
		})
	}
}

func TestPrioritiesAreKongs(t *testing.T) {
	if a, b := Definition().Priority, Advanced().Priority; a != 910 || b != 910 {
		t.Errorf("priorities %d and %d", a, b)
	}
}
