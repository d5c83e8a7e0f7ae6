package sut

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/policy"
)

const kongFile = "/kong/kong.yml"

// trusted are the networks of the lab, whose X-Real-IP is believed.
var trusted = []string{"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}

// kongOpen is Kong's open-source gateway without a database.
func kongOpen() *System {
	return &System{
		Name: "kong", About: "Kong Gateway, open source, without a database, from its official image; written from its documentation",
		Lacks: func(p *policy.Policy) string {
			return lacks(map[string]bool{
				"its open-source cache ignores the Vary header of the origin":    p.Cache != nil,
				"the lab does not configure shared limits (policy redis) for it": slices.ContainsFunc(p.Limits, shared),
				"its open-source limits support only windows of a second, a minute, an hour and a day": slices.ContainsFunc(p.Limits,
					func(l policy.Limit) bool { return kongWindow(l.Window) == "" }),
				"it writes X-Forwarded-For after its plugins, so that they cannot remove it": removes(p.Request, "X-Forwarded-For"),
			})
		},
		Spec: kongSpec, Sockets: true,
	}
}

// shared says whether a limit counts for all replicas.
func shared(l policy.Limit) bool { return l.Shared }

// removes says whether a header is to be removed.
func removes(h policy.Headers, name string) bool {
	return slices.ContainsFunc(h.Remove, func(r string) bool { return strings.EqualFold(r, name) })
}

// kongWindow is a window's name in rate-limiting; empty: it has none.
func kongWindow(d time.Duration) string {
	return map[time.Duration]string{time.Second: "second", time.Minute: "minute", time.Hour: "hour", 24 * time.Hour: "day"}[d]
}

func kongSpec(a *Arm) (lab.Spec, error) {
	entities := kongEntities(a.Policy, a.Origin, [2]any{})
	entities["_format_version"] = "3.0"
	openSource(entities)
	content, err := yaml.Marshal(entities)
	if err != nil {
		return lab.Spec{}, fmt.Errorf("%s: %w", kongFile, err)
	}
	_, port := split(a.Listen())
	workers, log := strconv.Itoa(a.Threads()), "off"
	if a.Policy.AccessLog {
		log = "/tmp/access.log"
	}
	return lab.Spec{
		Source: lab.Source{Image: "kong:3.9.1", EntryPoint: true},
		Files:  map[string][]byte{kongFile: content},
		Env: map[string]string{
			"KONG_DATABASE": "off", "KONG_DECLARATIVE_CONFIG": kongFile, "KONG_NGINX_WORKER_PROCESSES": workers,
			"KONG_PROXY_LISTEN": "0.0.0.0:" + port + " reuseport backlog=4096", "KONG_ADMIN_LISTEN": "off", "KONG_STATUS_LISTEN": "off",
			"KONG_ADMIN_GUI_LISTEN": "off", "KONG_PROXY_ACCESS_LOG": log, "KONG_PROXY_ERROR_LOG": "/dev/stderr", "KONG_LOG_LEVEL": "error",
			"KONG_TRUSTED_IPS": strings.Join(trusted, ","), "KONG_REAL_IP_HEADER": "X-Real-IP", "KONG_ANONYMOUS_REPORTS": "off",
		},
		Settings: map[string]string{"nginx_worker_processes": workers},
		ReadyIn:  time.Minute,
	}, nil
}

// openSource turns what only Kong Enterprise has into what Kong has: limits in named windows.
func openSource(entities map[string]any) {
	for _, s := range list(entities["services"]) {
		for _, owner := range append([]map[string]any{s}, list(s["routes"])...) {
			var plugins []any
			for _, plugin := range list(owner["plugins"]) {
				if plugin["name"] == "rate-limiting-advanced" {
					plugin = kongRateLimiting(plugin["config"].(map[string]any))
				}
				plugins = append(plugins, plugin)
			}
			owner["plugins"] = plugins
		}
	}
}

// list are entities that kongEntities made.
func list(of any) []map[string]any {
	var out []map[string]any
	entities, _ := of.([]any)
	for _, e := range entities {
		out = append(out, e.(map[string]any))
	}
	return out
}

// kongRateLimiting is the open-source plugin for the configuration of the other one.
func kongRateLimiting(advanced map[string]any) map[string]any {
	window := time.Duration(advanced["window_size"].([]any)[0].(int64)) * time.Second
	return map[string]any{"name": "rate-limiting", "config": map[string]any{
		kongWindow(window): advanced["limit"].([]any)[0], "policy": "local", "limit_by": advanced["identifier"],
	}}
}
