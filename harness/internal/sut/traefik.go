package sut

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/policy"
)

// Where Traefik reads what it is, and what it does.
const (
	traefikStatic  = "/etc/traefik/traefik.yml"
	traefikDynamic = "/tmp/dynamic.yml" // named in the other file
)

// traefik is Traefik Proxy with a file as its provider. Its build takes too long for tests.
func traefik() *System {
	return &System{
		Name: "traefik", About: "Traefik Proxy without its dashboard, built from its module, which takes minutes",
		Module: "github.com/traefik/traefik/v3/cmd/traefik@v3.6.0",
		Lacks: func(p *policy.Policy) string {
			return lacks(map[string]bool{
				"a key in a header needs a plugin":    p.Auth != nil && p.Auth.Kind == policy.AuthKey,
				"jwt needs Traefik Hub":               p.Auth != nil && p.Auth.Kind == policy.AuthJWT,
				"a cache needs a plugin":              p.Cache != nil,
				"changing JSON bodies needs a plugin": p.RequestBody != nil || p.ResponseBody != nil,
				"its limits count requests by address, host or header only": slices.ContainsFunc(p.Limits,
					func(l policy.Limit) bool { return l.By == policy.ByService }),
				"limits that are shared between replicas are not set up by this lab": slices.ContainsFunc(p.Limits, shared),
			})
		},
		Spec: traefikSpec,
	}
}

func traefikSpec(a *Arm) (lab.Spec, error) {
	files := map[string][]byte{}
	for path, content := range map[string]map[string]any{traefikStatic: traefikProgram(a), traefikDynamic: traefikRules(a)} {
		b, err := yaml.Marshal(content)
		if err != nil {
			return lab.Spec{}, fmt.Errorf("%s: %w", path, err)
		}
		files[path] = b
	}
	threads := strconv.Itoa(a.Threads())
	return lab.Spec{
		Args: []string{"--configFile=" + traefikStatic}, Files: files, Env: map[string]string{"GOMAXPROCS": threads},
		Settings: map[string]string{"max_procs": threads, "addresses of limits": "read from X-Real-IP of trusted peers"},
	}, nil
}

// traefikProgram is the static configuration. Nothing of it asks for versions or sends statistics.
func traefikProgram(a *Arm) map[string]any {
	out := map[string]any{
		"global": map[string]any{"checkNewVersion": false, "sendAnonymousUsage": false},
		"log":    map[string]any{"level": "ERROR"},
		"entryPoints": map[string]any{"web": map[string]any{
			"address": a.Listen(), "forwardedHeaders": map[string]any{"trustedIPs": trusted},
		}},
		"providers":        map[string]any{"file": map[string]any{"filename": traefikDynamic}},
		"serversTransport": map[string]any{"maxIdleConnsPerHost": 256},
	}
	if a.Policy.AccessLog {
		out["accessLog"] = map[string]any{"filePath": "/tmp/access.log"}
	}
	return out
}

// traefikRules is the dynamic configuration: routers, the middlewares of each, and the origin.
func traefikRules(a *Arm) map[string]any {
	p := a.Policy
	middlewares, routers := traefikMiddlewares(p), map[string]any{}
	everywhere := slices.Sorted(maps.Keys(middlewares))
	for i, l := range p.Limits {
		name := fmt.Sprintf("limit%d", i)
		middlewares[name] = traefikLimit(l)
		if l.Path == "" {
			everywhere = append(everywhere, name)
		}
	}
	add := func(name, rule string, further ...string) {
		routers[name] = map[string]any{
			"rule": rule, "entryPoints": []string{"web"}, "service": "origin", "middlewares": append(slices.Clone(everywhere), further...),
		}
	}
	add("all", "PathPrefix(`/`)")
	for i, l := range p.Limits {
		if l.Path != "" {
			add(fmt.Sprintf("limited%d", i), "PathPrefix(`"+l.Path+"`)", fmt.Sprintf("limit%d", i))
		}
	}
	for i, r := range p.Routes {
		for j, path := range r.Paths() {
			rule := map[string]string{
				policy.RouteExact: "Path(`" + path + "`)", policy.RoutePrefix: "PathPrefix(`" + path + "`)",
				policy.RouteRegex: "PathRegexp(`^" + path + "$`)",
			}[r.Kind]
			add(fmt.Sprintf("r%d-%d", i, j), rule)
		}
	}
	http := map[string]any{"routers": routers, "services": map[string]any{"origin": map[string]any{
		"loadBalancer": map[string]any{"servers": []any{map[string]any{"url": "http://" + a.Origin}}},
	}}}
	if len(middlewares) > 0 {
		http["middlewares"] = middlewares
	}
	return map[string]any{"http": http}
}

// traefikMiddlewares are those of every router but the limits.
func traefikMiddlewares(p *policy.Policy) map[string]any {
	out := map[string]any{}
	if p.Auth != nil {
		users := []string{strings.TrimSpace(string(htpasswd(p.Auth)))}
		out["auth"] = map[string]any{"basicAuth": map[string]any{"users": users}}
	}
	headers := map[string]any{}
	for field, h := range map[string]policy.Headers{"customRequestHeaders": p.Request, "customResponseHeaders": p.Response} {
		if h.Empty() {
			continue
		}
		set := maps.Clone(h.Set)
		if set == nil {
			set = map[string]string{}
		}
		for _, k := range h.Remove {
			set[k] = "" // which removes it
		}
		headers[field] = set
	}
	if len(headers) > 0 {
		out["headers"] = map[string]any{"headers": headers}
	}
	return out
}

// traefikLimit is a bucket that refills evenly, and holds a whole window's requests.
func traefikLimit(l policy.Limit) map[string]any {
	return map[string]any{"rateLimit": map[string]any{
		"average": l.Requests, "period": seconds(l.Window), "burst": l.Requests,
		"sourceCriterion": map[string]any{"requestHeaderName": "X-Real-IP"},
	}}
}
