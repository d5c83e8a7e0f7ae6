package proxycache

import (
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"proxy-cache.response_code":                   `.: json:"response_code" + .ResponseCode`,
	"proxy-cache.request_method":                  `.: json:"request_method" + .RequestMethod`,
	"proxy-cache.content_type":                    `.: json:"content_type" + .ContentType`,
	"proxy-cache.cache_ttl":                       `.: json:"cache_ttl" + .CacheTTL`,
	"proxy-cache.strategy":                        `.: json:"strategy" + .Strategy`,
	"proxy-cache.cache_control":                   `.: json:"cache_control" + .CacheControl`,
	"proxy-cache.ignore_uri_case":                 `.: json:"ignore_uri_case" + .IgnoreURICase`,
	"proxy-cache.strip_tags":                      `.: json:"strip_tags" + .StripTags`,
	"proxy-cache.error_ttl":                       `.: json:"error_ttl" + .ErrorTTL`,
	"proxy-cache.store_private":                   `.: json:"store_private" + .StorePrivate`,
	"proxy-cache.stale_while_revalidate":          `.: json:"stale_while_revalidate" + .Revalidate`,
	"proxy-cache.stale_if_error":                  `.: json:"stale_if_error" + .IfError`,
	"proxy-cache.response_headers.Cache-Status":   `.: json:"Cache-Status" + .ResponseHeaders.Report`,
	"proxy-cache.storage_ttl":                     `.: json:"storage_ttl" + .StorageTTL`,
	"proxy-cache.memory":                          "kept",
	"proxy-cache.memory.dictionary_name":          "refused",
	"proxy-cache.vary_query_params":               `.: json:"vary_query_params" + .VaryQueryParams`,
	"proxy-cache.vary_headers":                    `.: json:"vary_headers" + .VaryHeaders`,
	"proxy-cache.vary_consumer":                   `.: json:"vary_consumer" + .VaryConsumer`,
	"proxy-cache.response_headers":                `.: json:"response_headers" + .ResponseHeaders`,
	"proxy-cache.response_headers.age":            `.: json:"age" + .ResponseHeaders.Age`,
	"proxy-cache.response_headers.X-Cache-Status": `.: json:"X-Cache-Status" + .ResponseHeaders.Status`,
	"proxy-cache.response_headers.X-Cache-Key":    `.: json:"X-Cache-Key" + .ResponseHeaders.Key`,
	"proxy-cache.redis":                           "elsewhere", // in redisconfig
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{"proxy-cache": Definition().Config}, nil)
}

func TestSchema(t *testing.T) {
	plugintest.Schema{
		Priority: 100,
		Defaults: map[string]any{
			"response_code": nil, "request_method": []any{"GET", "HEAD"},
			"content_type": nil, "cache_ttl": nil, "error_ttl": int64(10), "strategy": "memory",
			"cache_control": false, "ignore_uri_case": false, "storage_ttl": nil, "store_private": false,
			"stale_while_revalidate": nil, "stale_if_error": nil, "strip_tags": false,
			"memory": map[string]any{"dictionary_name": "kong_db_cache"}, "redis": map[string]any{
				"host": nil, "port": int64(6379), "timeout": int64(2000), "username": nil, "password": nil, "database": int64(0),
				"ssl": false, "ssl_verify": false, "server_name": nil,
				"sentinel_master": nil, "sentinel_role": nil, "sentinel_nodes": nil, "sentinel_addresses": nil, "sentinel_username": nil,
				"sentinel_password": nil, "cluster_nodes": nil, "cluster_addresses": nil, "cluster_max_redirections": int64(5),
			},
			"vary_query_params": nil, "vary_headers": nil, "vary_consumer": true,
			"response_headers": map[string]any{"age": true, "X-Cache-Status": true, "X-Cache-Key": true, "Cache-Status": true},
		},
		Refused: map[string]string{
			`{"content_type":["application/"]}`:           "config.content_type: invalid value 'application/': expected a media type",
			`{"memory":{"dictionary_name":"mine"}}`:       "config.memory.dictionary_name: value must be kong_db_cache: ",
			`{"strategy":"redis"}`:                        "config.redis.host: required field missing",
			`{"strategy":"redis","redis":{"host":"a b"}}`: "config.redis.host: invalid value: a b",
			`{"strategy":"disk"}`:                         "config.strategy: expected one of: memory, redis",
			`{"response_code":[99]}`:                      "config.response_code: value should be between 100 and 900",
			`{"request_method":["DELETE"]}`:               "config.request_method: expected one of: HEAD, GET, POST, PATCH, PUT",
			`{"cache_ttl":0}`:                             "config.cache_ttl: value should be between 1 and 2147483646",
		},
	}.Check(t, Definition())
}

func TestAClusterIsRefused(t *testing.T) {
	plugintest.Schema{Priority: 100, Refused: map[string]string{
		`{"strategy":"redis","redis":{"cluster_nodes":[{"ip":"h"}]}}`: "config.redis.cluster_nodes: proxy-cache is not supported",
	}}.Check(t, Definition())
}
