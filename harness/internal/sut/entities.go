package sut

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/policy"
)

// kongEntities is a policy as Kong's entities, nested as in a scenario: for our own gateway, and for Kong. redis is host and port where
// counters and responses are shared.
func kongEntities(p *policy.Policy, origin string, redis [2]any) map[string]any {
	var routes []any
	if !p.Only {
		routes = append(routes, map[string]any{"name": "all", "paths": []any{"/"}, "strip_path": false})
	}
	for i, r := range p.Routes {
		for j, path := range r.Paths() {
			prefix := map[string]string{policy.RoutePrefix: "", policy.RouteExact: "~", policy.RouteRegex: "~"}[r.Kind]
			if r.Kind == policy.RouteExact {
				path = regexp.QuoteMeta(path)
			}
			if r.Kind != policy.RoutePrefix {
				path += "$"
			}
			routes = append(routes, map[string]any{
				"name": fmt.Sprintf("r%d-%d", i, j), "paths": []any{prefix + path}, "strip_path": false,
			})
		}
	}
	for i, l := range p.Limits {
		if l.Path != "" {
			routes = append(routes, map[string]any{
				"name": fmt.Sprintf("limited-%d", i), "paths": []any{l.Path}, "strip_path": false,
				"plugins": []any{kongLimit(l, redis)},
			})
		}
	}
	out := map[string]any{"services": []any{map[string]any{
		"name": "bench", "url": "http://" + origin, "routes": routes, "plugins": kongPlugins(p, redis),
	}}}
	if consumer := kongConsumer(p.Auth); consumer != nil {
		out["consumers"] = []any{consumer}
	}
	return out
}

// kongPlugins are the service's plugins.
func kongPlugins(p *policy.Policy, redis [2]any) []any {
	var out []any
	add := func(name string, config map[string]any) {
		out = append(out, map[string]any{"name": name, "config": config})
	}
	if p.Auth != nil {
		switch p.Auth.Kind {
		case policy.AuthKey:
			add("key-auth", map[string]any{"key_names": []any{p.Auth.Header}})
		case policy.AuthBasic:
			add("basic-auth", map[string]any{})
		case policy.AuthJWT:
			add("jwt", map[string]any{"claims_to_verify": []any{"exp"}})
		}
	}
	for _, l := range p.Limits {
		if l.Path == "" {
			out = append(out, kongLimit(l, redis))
		}
	}
	if p.Cache != nil {
		config := map[string]any{
			"strategy": "memory", "content_type": []any{"*/*"}, "cache_ttl": int64(p.Cache.TTL / time.Second), "cache_control": true,
		}
		if p.Cache.Shared {
			config["strategy"], config["redis"] = "redis", map[string]any{"host": redis[0], "port": redis[1]}
		}
		add("proxy-cache", config)
	}
	if c := transformer(p.Request, p.RequestBody, "body"); c != nil {
		add("request-transformer", c)
	}
	if c := transformer(p.Response, p.ResponseBody, "json"); c != nil {
		add("response-transformer", c)
	}
	return out
}

// transformer is the configuration of request-transformer or response-transformer; nil if nothing is changed. body names the field of
// bodies, which the two call differently.
func transformer(h policy.Headers, j *policy.JSON, body string) map[string]any {
	if h.Empty() && j == nil {
		return nil
	}
	replace := map[string]any{}
	add, remove := map[string]any{}, map[string]any{}
	for _, k := range slices.Sorted(maps.Keys(h.Set)) {
		// replace changes what is there, add what is not.
		value := k + ":" + h.Set[k]
		replace["headers"], add["headers"] = appendAny(replace["headers"], value), appendAny(add["headers"], value)
	}
	for _, k := range h.Remove {
		remove["headers"] = appendAny(remove["headers"], k)
	}
	if j != nil {
		for _, k := range slices.Sorted(maps.Keys(j.Set)) {
			add[body] = appendAny(add[body], fmt.Sprintf("%s:%v", k, j.Set[k]))
			if body == "json" {
				add["json_types"] = appendAny(add["json_types"], jsonType(j.Set[k]))
			}
		}
		for _, k := range j.Remove {
			remove[body] = appendAny(remove[body], k)
		}
	}
	out := map[string]any{"add": add, "remove": remove}
	if len(replace) > 0 {
		out["replace"] = replace
	}
	return out
}

func appendAny(list any, v string) []any {
	l, _ := list.([]any)
	return append(l, v)
}

func jsonType(v any) string {
	switch v.(type) {
	case bool:
		return "boolean"
	case string:
		return "string"
	}
	return "number"
}

// kongLimit is a limit as rate-limiting-advanced with fixed windows.
func kongLimit(l policy.Limit, redis [2]any) map[string]any {
	config := map[string]any{
		"limit": []any{l.Requests}, "window_size": []any{int64(l.Window / time.Second)}, "window_type": "fixed",
		"identifier": map[string]string{policy.ByService: "service", policy.ByAddress: "ip"}[l.By], "strategy": "local",
	}
	if l.Shared {
		config["strategy"], config["redis"] = "redis", map[string]any{"host": redis[0], "port": redis[1]}
		config["sync_rate"] = 0
	}
	return map[string]any{"name": "rate-limiting-advanced", "config": config}
}

// kongConsumer is the one consumer who gets in.
func kongConsumer(a *policy.Auth) map[string]any {
	if a == nil {
		return nil
	}
	out := map[string]any{"username": "bench"}
	switch a.Kind {
	case policy.AuthKey:
		out["keyauth_credentials"] = []any{map[string]any{"key": a.Key}}
	case policy.AuthBasic:
		out["username"] = strings.ToLower(a.User)
		out["basicauth_credentials"] = []any{map[string]any{"username": a.User, "password": a.Password}}
	case policy.AuthJWT:
		out["jwt_secrets"] = []any{map[string]any{"key": a.Issuer, "secret": a.Secret, "algorithm": "HS256"}}
	}
	return out
}
