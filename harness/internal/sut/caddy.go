package sut

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

const (
	caddyFile = "/etc/caddy/caddy.json"
	caddyLog  = "http.log.access"
)

// caddy is Caddy with the modules that it is built with, no further plugins.
func caddy() *System {
	return &System{
		Name: "caddy", About: "Caddy without plugins, built from its module", Tested: true,
		Module: "github.com/caddyserver/caddy/v2/cmd/caddy@v2.11.9",
		Lacks: func(p *policy.Policy) string {
			return lacks(map[string]bool{
				"jwt needs a plugin":                  p.Auth != nil && p.Auth.Kind == policy.AuthJWT,
				"rate limits need a plugin":           len(p.Limits) > 0,
				"a cache needs a plugin":              p.Cache != nil,
				"changing JSON bodies needs a plugin": p.RequestBody != nil || p.ResponseBody != nil,
				"a key that begins or ends with * is treated as a pattern": p.Auth != nil && p.Auth.Kind == policy.AuthKey &&
					strings.Trim(p.Auth.Key, "*") != p.Auth.Key,
			})
		},
		Spec: caddySpec, Speaks: bothProtocols(), Strict: true, Balances: true, Sockets: true,
		Change: changeCaddy,
	}
}

func caddySpec(a *Arm) (lab.Spec, error) {
	config, err := caddyConfig(a)
	if err != nil {
		return lab.Spec{}, err
	}
	content, err := json.MarshalIndent(config, "", "\t")
	if err != nil {
		return lab.Spec{}, err
	}
	threads := strconv.Itoa(a.Threads())
	var ports []int
	if changes(a.Policy) {
		ports = []int{topology.PortAdmin}
	}
	return lab.Spec{
		Ports: ports,
		Args:  []string{"run", "--config=" + caddyFile}, Files: map[string][]byte{caddyFile: content},
		Env:      map[string]string{"GOMAXPROCS": threads},
		Settings: map[string]string{"max_procs": threads, "basic_auth": "bcrypt, with a cache of verified passwords"},
	}, nil
}

// caddyConfig is the whole configuration. Nothing of it makes Caddy listen elsewhere, ask for a certificate, or write outside /tmp.
func caddyConfig(a *Arm) (map[string]any, error) {
	routes, err := caddyRoutes(a)
	if err != nil {
		return nil, err
	}
	server := map[string]any{
		"listen": []string{a.Listen()}, "protocols": []string{"h1"}, "routes": routes,
		"automatic_https": map[string]any{"disable": true},
	}
	apps := map[string]any{"http": map[string]any{"servers": map[string]any{"bench": server}}}
	if a.Policy.Client.TLS() {
		server["tls_connection_policies"] = []any{map[string]any{"protocol_min": "tls1.3"}}
		apps["tls"] = map[string]any{"certificates": map[string]any{"load_files": []any{
			map[string]any{"certificate": certificateFile, "key": certificateFile},
		}}}
	}
	if a.HTTP2() {
		server["protocols"] = []string{"h1", "h2"}
	}
	logs := map[string]any{"default": map[string]any{"level": "ERROR", "exclude": []string{caddyLog}}}
	if a.Policy.AccessLog {
		server["logs"] = map[string]any{}
		logs["access"] = map[string]any{
			"include": []string{caddyLog}, "level": "INFO",
			"writer": map[string]any{"output": "file", "filename": "/tmp/access.log", "roll": false},
		}
	}
	admin := map[string]any{"disabled": true, "config": map[string]any{"persist": false}}
	if changes(a.Policy) {
		admin["disabled"], admin["listen"] = false, a.Layout.ListenAddr(a.System.Name, topology.PortAdmin)
	}
	return map[string]any{
		"admin":   admin,
		"logging": map[string]any{"logs": logs},
		"apps":    apps,
		"storage": map[string]any{"module": "file_system", "root": "/tmp/caddy"},
	}, nil
}

// caddyRoutes are the handlers in the order in which they run: who gets in, which route it is, the answer's headers, the proxy.
func caddyRoutes(a *Arm) ([]any, error) {
	p := a.Policy
	var out []any
	if p.Auth != nil {
		route, err := caddyAuth(p.Auth)
		if err != nil {
			return nil, err
		}
		out = append(out, route)
	}
	for i, r := range p.Routes {
		for j, path := range r.Paths() {
			// Of a group only the first route that matches is taken.
			out = append(out, map[string]any{
				"group": "routes", "match": []any{caddyMatch(r.Kind, path)},
				"handle": []any{map[string]any{"handler": "vars", "route": fmt.Sprintf("r%d-%d", i, j)}},
			})
		}
	}
	if p.Only {
		out = append(out, map[string]any{
			"group": "routes", "handle": []any{map[string]any{"handler": "static_response", "status_code": 404}}, "terminal": true,
		})
	}
	if !p.Response.Empty() {
		response := caddyHeaders(p.Response)
		response["deferred"] = true // after the proxy has written the origin's
		out = append(out, handle(map[string]any{"handler": "headers", "response": response}))
	}
	if p.WebSocket {
		other := handle(map[string]any{"handler": "headers", "request": map[string]any{"delete": []string{"Upgrade"}}})
		other["match"] = []any{map[string]any{"not": []any{map[string]any{
			"header_regexp": map[string]any{"Upgrade": map[string]any{"pattern": "(?i)^websocket$"}},
		}}}}
		out = append(out, other)
	}
	transport := map[string]any{
		"protocol": "http", "versions": []string{"1.1"}, "compression": false,
		"keep_alive": map[string]any{"max_idle_conns_per_host": 256},
	}
	var upstreams []any
	for _, origin := range a.upstreams() {
		upstreams = append(upstreams, map[string]any{"dial": origin})
	}
	proxy := map[string]any{"handler": "reverse_proxy", "upstreams": upstreams, "transport": transport}
	if o := p.Origins; o != nil {
		transport["dial_timeout"], transport["response_header_timeout"] = o.Timeout, o.Timeout
		proxy["load_balancing"] = map[string]any{
			"selection_policy": map[string]any{"policy": "round_robin"}, "try_duration": 4 * o.Timeout,
			"retry_match": []any{map[string]any{"method": []string{"GET"}}},
		}
		proxy["health_checks"] = map[string]any{"passive": map[string]any{
			"fail_duration": 10 * time.Second, "max_fails": 1, "unhealthy_status": []int{503},
		}}
	}
	if !p.Request.Empty() {
		proxy["headers"] = map[string]any{"request": caddyHeaders(p.Request)}
	}
	return append(out, handle(proxy)), nil
}

func handle(handler map[string]any) map[string]any {
	return map[string]any{"handle": []any{handler}}
}

// caddyAuth lets no one by who has no right to.
func caddyAuth(auth *policy.Auth) (map[string]any, error) {
	if auth.Kind == policy.AuthKey {
		refuse := handle(map[string]any{"handler": "static_response", "status_code": 401})
		refuse["match"] = []any{map[string]any{
			"not": []any{map[string]any{"header": map[string]any{auth.Header: []string{literal(auth.Key)}}}},
		}}
		refuse["terminal"] = true
		return refuse, nil
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(auth.Password), bcrypt.DefaultCost)
	if err != nil {
		return nil, fmt.Errorf("auth.password: %w", err)
	}
	return handle(map[string]any{
		"handler": "authentication",
		"providers": map[string]any{"http_basic": map[string]any{
			"accounts":   []any{map[string]any{"username": auth.User, "password": string(hash)}},
			"hash":       map[string]any{"algorithm": "bcrypt"},
			"hash_cache": map[string]any{}, // as a Caddyfile's basic_auth has it
		}},
	}), nil
}

func caddyMatch(kind, path string) map[string]any {
	switch kind {
	case policy.RouteRegex:
		return map[string]any{"path_regexp": map[string]any{"pattern": "^" + path + "$"}}
	case policy.RoutePrefix:
		path += "*"
	}
	return map[string]any{"path": []string{path}}
}

func caddyHeaders(h policy.Headers) map[string]any {
	out := map[string]any{}
	if len(h.Remove) > 0 {
		out["delete"] = h.Remove
	}
	set := map[string]any{}
	for _, k := range slices.Sorted(maps.Keys(h.Set)) {
		set[k] = []string{literal(h.Set[k])}
	}
	if len(set) > 0 {
		out["set"] = set
	}
	return out
}

// literal keeps Caddy from taking a value's braces for a placeholder.
func literal(v string) string { return strings.ReplaceAll(v, "{", `\{`) }
