package sut

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/policy"
)

// Where APISIX reads what it is, and what it does.
const (
	apisixConfig = "/usr/local/apisix/conf/config.yaml"
	apisixRules  = "/usr/local/apisix/conf/apisix.yaml"
)

// apisix is Apache APISIX with a file instead of etcd.
func apisix() *System {
	return &System{
		Name: "apisix", About: "Apache APISIX in standalone mode, from its official image; written from its documentation",
		Lacks: func(p *policy.Policy) string {
			return lacks(map[string]bool{
				"JSON bodies can only be replaced with a template of the whole body": p.RequestBody != nil || p.ResponseBody != nil,
				"the lab does not configure shared limits (policy redis) for it":     slices.ContainsFunc(p.Limits, shared),
				"its cache is local to each replica":                                 p.Cache != nil && p.Cache.Shared,
			})
		},
		Spec: apisixSpec,
	}
}

func apisixSpec(a *Arm) (lab.Spec, error) {
	_, port := split(a.Listen())
	number, _ := strconv.Atoi(port)
	http := map[string]any{"enable_access_log": a.Policy.AccessLog, "real_ip_header": "X-Real-IP", "real_ip_from": trusted}
	if a.Policy.AccessLog {
		http["access_log"] = "/tmp/access.log"
	}
	self := map[string]any{"node_listen": []any{map[string]any{"port": number}}, "enable_admin": false, "enable_control": false}
	if a.Policy.Cache != nil {
		self["proxy_cache"] = map[string]any{
			"cache_ttl": seconds(a.Policy.Cache.TTL),
			"zones": []any{map[string]any{
				"name": "bench", "memory_size": "50m", "disk_size": "256m", "disk_path": "/tmp/cache", "cache_levels": "1:2",
			}},
		}
	}
	config, err := yaml.Marshal(map[string]any{
		"apisix":       self,
		"deployment":   map[string]any{"role": "data_plane", "role_data_plane": map[string]any{"config_provider": "yaml"}},
		"nginx_config": map[string]any{"worker_processes": a.Threads(), "error_log_level": "error", "http": http},
	})
	if err != nil {
		return lab.Spec{}, fmt.Errorf("%s: %w", apisixConfig, err)
	}
	rules, err := yaml.Marshal(apisixEntities(a))
	if err != nil {
		return lab.Spec{}, fmt.Errorf("%s: %w", apisixRules, err)
	}
	return lab.Spec{
		Source: lab.Source{Image: "apache/apisix:3.13.0-debian", EntryPoint: true},
		// A file without its last line is taken for one that is being written.
		Files:    map[string][]byte{apisixConfig: config, apisixRules: append(rules, "#END\n"...)},
		Settings: map[string]string{"worker_processes": strconv.Itoa(a.Threads())},
		ReadyIn:  time.Minute,
	}, nil
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d/time.Second)) + "s" }

// apisixEntities are one service with all plugins, and its routes.
func apisixEntities(a *Arm) map[string]any {
	p := a.Policy
	var routes []any
	add := func(route map[string]any) {
		route["id"], route["service_id"] = strconv.Itoa(len(routes)+1), "bench"
		routes = append(routes, route)
	}
	add(map[string]any{"uri": "/*"})
	for i, l := range p.Limits {
		if l.Path != "" {
			add(map[string]any{"uri": l.Path + "*", "plugins": map[string]any{"limit-count": apisixLimit(i, l)}})
		}
	}
	for _, r := range p.Routes {
		for _, path := range r.Paths() {
			switch r.Kind {
			case policy.RouteExact:
				add(map[string]any{"uri": path})
			case policy.RoutePrefix:
				add(map[string]any{"uri": path + "*"})
			default:
				add(map[string]any{"uri": "/*", "priority": 1, "vars": []any{[]string{"uri", "~~", "^" + path + "$"}}})
			}
		}
	}
	out := map[string]any{"routes": routes, "services": []any{map[string]any{
		"id": "bench", "plugins": apisixPlugins(p),
		"upstream": map[string]any{
			"type": "roundrobin", "nodes": map[string]any{a.Origin: 1}, "pass_host": "pass",
			"keepalive_pool": map[string]any{"size": 256, "idle_timeout": 60, "requests": 1_000_000},
		},
	}}}
	if p.Auth != nil {
		out["consumers"] = []any{map[string]any{"username": "bench", "plugins": apisixCredentials(p.Auth)}}
	}
	return out
}

// apisixPlugins are the service's.
func apisixPlugins(p *policy.Policy) map[string]any {
	out := map[string]any{}
	if p.Auth != nil {
		switch p.Auth.Kind {
		case policy.AuthKey:
			out["key-auth"] = map[string]any{"header": p.Auth.Header}
		case policy.AuthBasic:
			out["basic-auth"] = map[string]any{}
		case policy.AuthJWT:
			out["jwt-auth"] = map[string]any{"key_claim_name": "iss"}
		}
	}
	for i, l := range p.Limits {
		if l.Path == "" {
			out["limit-count"] = apisixLimit(i, l)
		}
	}
	if p.Cache != nil {
		out["proxy-cache"] = map[string]any{
			"cache_zone": "bench", "cache_key": []string{"$scheme", "$request_method", "$host", "$request_uri"}, "cache_http_status": []int{200},
			"cache_method": []string{"GET", "HEAD"},
		}
	}
	if !p.Request.Empty() {
		out["proxy-rewrite"] = map[string]any{"headers": apisixHeaders(p.Request)}
	}
	if !p.Response.Empty() {
		out["response-rewrite"] = map[string]any{"headers": apisixHeaders(p.Response)}
	}
	return out
}

func apisixHeaders(h policy.Headers) map[string]any {
	out := map[string]any{}
	if len(h.Set) > 0 {
		out["set"] = h.Set
	}
	if len(h.Remove) > 0 {
		out["remove"] = h.Remove
	}
	return out
}

// apisixLimit counts in windows that begin with their first request; a group has one counter.
func apisixLimit(i int, l policy.Limit) map[string]any {
	out := map[string]any{
		"count": l.Requests, "time_window": int(l.Window / time.Second), "rejected_code": 429, "policy": "local",
		"group": fmt.Sprintf("limit-%d", i), "key_type": "constant", "key": "bench",
	}
	if l.By == policy.ByAddress {
		out["key_type"], out["key"] = "var", "remote_addr"
	}
	return out
}

// apisixCredentials are the consumer's.
func apisixCredentials(auth *policy.Auth) map[string]any {
	switch auth.Kind {
	case policy.AuthKey:
		return map[string]any{"key-auth": map[string]any{"key": auth.Key}}
	case policy.AuthBasic:
		return map[string]any{"basic-auth": map[string]any{"username": auth.User, "password": auth.Password}}
	}
	return map[string]any{"jwt-auth": map[string]any{"key": auth.Issuer, "secret": auth.Secret, "algorithm": "HS256"}}
}
