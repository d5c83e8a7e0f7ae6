package sut

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/policy"
)

const envoyFile = "/etc/envoy/envoy.json"

// envoy is Envoy with a static configuration.
func envoy() *System {
	return &System{
		Name: "envoy", About: "Envoy with a static configuration, from its official image; written from its documentation",
		Lacks: func(p *policy.Policy) string {
			return lacks(map[string]bool{
				"its documentation calls its HTTP cache work in progress":      p.Cache != nil,
				"changing JSON bodies needs a script or an external processor": p.RequestBody != nil || p.ResponseBody != nil,
				"limits per address need an external rate-limit service": slices.ContainsFunc(p.Limits,
					func(l policy.Limit) bool { return l.By == policy.ByAddress }),
				"limits that are shared between replicas need an external rate-limit service": slices.ContainsFunc(p.Limits, shared),
				"one request can count for one limit only, the route's or that of all routes": mixed(p.Limits),
			})
		},
		Spec: envoySpec,
	}
}

// mixed says whether a limit of all paths stands beside others.
func mixed(limits []policy.Limit) bool {
	return len(limits) > 1 && slices.ContainsFunc(limits, func(l policy.Limit) bool { return l.Path == "" })
}

func envoySpec(a *Arm) (lab.Spec, error) {
	content, err := json.MarshalIndent(envoyConfig(a), "", "\t")
	if err != nil {
		return lab.Spec{}, fmt.Errorf("%s: %w", envoyFile, err)
	}
	threads := strconv.Itoa(a.Threads())
	return lab.Spec{
		Source: lab.Source{Image: "envoyproxy/envoy:v1.34.1", EntryPoint: true},
		Args:   []string{"-c", envoyFile, "--concurrency", threads, "--log-level", "error"},
		Files:  map[string][]byte{envoyFile: content}, Settings: map[string]string{"concurrency": threads},
	}, nil
}

func envoyConfig(a *Arm) map[string]any {
	host, port := split(a.Origin)
	number, _ := strconv.Atoi(port)
	_, listen := split(a.Listen())
	listening, _ := strconv.Atoi(listen)
	manager := typed("filters.network.http_connection_manager.v3.HttpConnectionManager", map[string]any{
		"stat_prefix": "bench", "codec_type": "HTTP1", "use_remote_address": true, "server_header_transformation": "PASS_THROUGH",
		"http_filters": envoyFilters(a.Policy), "route_config": envoyRoutes(a.Policy), "generate_request_id": false,
	})
	if a.Policy.AccessLog {
		manager["access_log"] = []any{map[string]any{
			"name": "file", "typed_config": typed("access_loggers.file.v3.FileAccessLog", map[string]any{"path": "/tmp/access.log"}),
		}}
	}
	return map[string]any{"static_resources": map[string]any{
		"listeners": []any{map[string]any{
			"name": "bench", "address": socket("0.0.0.0", listening), "enable_reuse_port": true,
			"filter_chains": []any{map[string]any{"filters": []any{map[string]any{"name": "http", "typed_config": manager}}}},
		}},
		"clusters": []any{map[string]any{
			"name": "origin", "type": "STRICT_DNS", "connect_timeout": "5s",
			"load_assignment": map[string]any{"cluster_name": "origin", "endpoints": []any{map[string]any{
				"lb_endpoints": []any{map[string]any{"endpoint": map[string]any{"address": socket(host, number)}}},
			}}},
		}},
	}}
}

// typed is an extension's configuration with its type.
func typed(name string, fields map[string]any) map[string]any {
	out := map[string]any{"@type": "type.googleapis.com/envoy.extensions." + name}
	maps.Copy(out, fields)
	return out
}

func socket(host string, port int) map[string]any {
	return map[string]any{"socket_address": map[string]any{"address": host, "port_value": port}}
}

// envoyFilters are what a request passes on its way: who gets in, how many, and the router.
func envoyFilters(p *policy.Policy) []any {
	var out []any
	add := func(name string, config map[string]any) {
		out = append(out, map[string]any{"name": name, "typed_config": config})
	}
	if p.Auth != nil {
		switch p.Auth.Kind {
		case policy.AuthKey:
			add("envoy.filters.http.api_key_auth", typed("filters.http.api_key_auth.v3.ApiKeyAuth", map[string]any{
				"credentials": []any{map[string]any{"key": p.Auth.Key, "client": "bench"}},
				"key_sources": []any{map[string]any{"header": p.Auth.Header}},
			}))
		case policy.AuthBasic:
			add("envoy.filters.http.basic_auth", typed("filters.http.basic_auth.v3.BasicAuth", map[string]any{
				"users": map[string]any{"inline_string": string(htpasswd(p.Auth))},
			}))
		case policy.AuthJWT:
			add("envoy.filters.http.jwt_authn", envoyJWT(p.Auth))
		}
	}
	if len(p.Limits) > 0 {
		// Without a bucket: routes have theirs.
		add("envoy.filters.http.local_ratelimit", typed("filters.http.local_ratelimit.v3.LocalRateLimit",
			map[string]any{"stat_prefix": "limit"}))
	}
	add("envoy.filters.http.router", typed("filters.http.router.v3.Router", nil))
	return out
}

func envoyJWT(auth *policy.Auth) map[string]any {
	key := map[string]any{"kty": "oct", "alg": "HS256", "k": base64.RawURLEncoding.EncodeToString([]byte(auth.Secret))}
	keys, err := json.Marshal(map[string]any{"keys": []any{key}})
	if err != nil {
		panic(err) // strings
	}
	return typed("filters.http.jwt_authn.v3.JwtAuthentication", map[string]any{
		"providers": map[string]any{"bench": map[string]any{
			"issuer": auth.Issuer, "forward": true, "clock_skew_seconds": 1,
			"local_jwks": map[string]any{"inline_string": string(keys)},
		}},
		"rules": []any{map[string]any{"match": map[string]any{"prefix": "/"}, "requires": map[string]any{"provider_name": "bench"}}},
	})
}

// envoyRoutes are the routes in the order in which they are tried: the route of all paths is the last.
func envoyRoutes(p *policy.Policy) map[string]any {
	var routes []any
	add := func(match map[string]any, limit *policy.Limit) {
		route := map[string]any{"match": match, "route": map[string]any{"cluster": "origin", "timeout": "60s"}}
		if limit != nil {
			route["typed_per_filter_config"] = map[string]any{"envoy.filters.http.local_ratelimit": envoyLimit(*limit)}
		}
		routes = append(routes, route)
	}
	var everywhere *policy.Limit
	for i, l := range p.Limits {
		if l.Path == "" {
			everywhere = &p.Limits[i]
			continue
		}
		add(map[string]any{"prefix": l.Path}, &p.Limits[i])
	}
	for _, r := range p.Routes {
		for _, path := range r.Paths() {
			match := map[string]any{map[string]string{policy.RouteExact: "path", policy.RoutePrefix: "prefix"}[r.Kind]: path}
			if r.Kind == policy.RouteRegex {
				match = map[string]any{"safe_regex": map[string]any{"regex": path}} // of the whole path
			}
			add(match, nil)
		}
	}
	add(map[string]any{"prefix": "/"}, nil)
	host := map[string]any{"name": "bench", "domains": []string{"*"}, "routes": routes}
	if everywhere != nil {
		host["typed_per_filter_config"] = map[string]any{"envoy.filters.http.local_ratelimit": envoyLimit(*everywhere)}
	}
	envoyHeaders(host, "request", p.Request)
	envoyHeaders(host, "response", p.Response)
	return map[string]any{"name": "bench", "virtual_hosts": []any{host}}
}

// envoyLimit is a bucket that is filled once per window.
func envoyLimit(l policy.Limit) map[string]any {
	always := map[string]any{"default_value": map[string]any{"numerator": 100, "denominator": "HUNDRED"}}
	return typed("filters.http.local_ratelimit.v3.LocalRateLimit", map[string]any{
		"stat_prefix": "limit", "filter_enabled": always, "filter_enforced": always,
		"token_bucket": map[string]any{
			"max_tokens": l.Requests, "tokens_per_fill": l.Requests, "fill_interval": fmt.Sprintf("%ds", int(l.Window.Seconds())),
		},
	})
}

// envoyHeaders sets and removes headers in one direction.
func envoyHeaders(to map[string]any, direction string, h policy.Headers) {
	var set []any
	for _, k := range slices.Sorted(maps.Keys(h.Set)) {
		set = append(set, map[string]any{
			"header": map[string]any{"key": k, "value": h.Set[k]}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
		})
	}
	if len(set) > 0 {
		to[direction+"_headers_to_add"] = set
	}
	if len(h.Remove) > 0 {
		to[direction+"_headers_to_remove"] = h.Remove
	}
}
