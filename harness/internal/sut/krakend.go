package sut

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/policy"
)

const krakendFile = "/etc/krakend/krakend.json"

// krakend is the Community Edition. It has no route for all paths, so that every path of the policy's traffic and probes is an endpoint.
func krakend() *System {
	return &System{
		Name: "krakend", About: "KrakenD Community Edition, from its official image; written from its documentation",
		Lacks: func(p *policy.Policy) string {
			return lacks(map[string]bool{
				"routes by prefix or regular expression need the Enterprise Edition": len(p.Routes) > 0,
				"keys and passwords need the Enterprise Edition":                     p.Auth != nil && p.Auth.Kind != policy.AuthJWT,
				"it finds keys by the kid of a token, and these tokens have none":    p.Auth != nil && p.Auth.Kind == policy.AuthJWT,
				"its endpoint limits count each path separately, and respond with 503": slices.ContainsFunc(p.Limits,
					func(l policy.Limit) bool { return l.By == policy.ByService }),
				"its limit for an address counts each endpoint of its own": slices.ContainsFunc(p.Limits,
					func(l policy.Limit) bool { return l.By == policy.ByAddress }),
				"its cache of the origin's answers does not honour Vary": p.Cache != nil,
				"JSON bodies cannot be rewritten where answers are passed on as they are (no-op)": p.RequestBody != nil ||
					p.ResponseBody != nil,
				"its access log goes to standard output instead of a file": p.AccessLog,
			})
		},
		Spec: krakendSpec,
	}
}

func krakendSpec(a *Arm) (lab.Spec, error) {
	_, port := split(a.Listen())
	number, _ := strconv.Atoi(port)
	content, err := json.MarshalIndent(map[string]any{
		"$schema": "https://www.krakend.io/schema/v2.10/krakend.json", "version": 3, "name": "bench", "port": number, "timeout": "60s",
		"max_idle_connections_per_host": 256, "endpoints": krakendEndpoints(a),
		"extra_config": map[string]any{
			"router":            map[string]any{"disable_access_log": true, "disable_redirect_fixed_path": true},
			"telemetry/logging": map[string]any{"level": "ERROR", "stdout": true},
		},
	}, "", "\t")
	if err != nil {
		return lab.Spec{}, fmt.Errorf("%s: %w", krakendFile, err)
	}
	threads := strconv.Itoa(a.Threads())
	return lab.Spec{
		Source: lab.Source{Image: "krakend:2.10", EntryPoint: true}, Args: []string{"run", "-c", krakendFile},
		Files: map[string][]byte{krakendFile: content}, Env: map[string]string{"GOMAXPROCS": threads},
		Settings: map[string]string{"max_procs": threads},
	}, nil
}

// krakendEndpoints are one for each method and path that the policy's traffic and probes ask for.
func krakendEndpoints(a *Arm) []any {
	seen, out := map[string]bool{}, []any{}
	add := func(method, path string) {
		if method == "" {
			method = http.MethodGet
		}
		path = krakendPath(path)
		if seen[method+" "+path] {
			return
		}
		seen[method+" "+path] = true
		backend := map[string]any{"host": []string{"http://" + a.Origin}, "url_pattern": path, "method": method, "encoding": "no-op"}
		if m := martian(a.Policy); m != nil {
			backend["extra_config"] = map[string]any{"modifier/martian": m}
		}
		out = append(out, map[string]any{
			"endpoint": path, "method": method, "output_encoding": "no-op", "input_headers": []string{"*"},
			"input_query_strings": []string{"*"}, "backend": []any{backend},
		})
	}
	add(http.MethodGet, readyPath) // which the lab asks until it is answered
	for _, t := range a.Policy.Traffic {
		add(t.Method, t.Path)
	}
	for _, pr := range a.Policy.Probes {
		add(pr.Method, pr.Path)
	}
	return out
}

// krakendPath is a path without its query. A segment with an id that is drawn is a parameter.
func krakendPath(path string) string {
	path, _, _ = strings.Cut(path, "?")
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if strings.Contains(s, load.Placeholder) {
			segments[i] = "{id}"
		}
	}
	return strings.Join(segments, "/")
}

// martian sets and removes headers in both directions; nil: none.
func martian(p *policy.Policy) map[string]any {
	var modifiers []any
	for direction, h := range map[string]policy.Headers{"request": p.Request, "response": p.Response} {
		scope := []string{direction}
		if len(h.Remove) > 0 {
			modifiers = append(modifiers, map[string]any{"header.Blacklist": map[string]any{"scope": scope, "names": h.Remove}})
		}
		for _, k := range slices.Sorted(maps.Keys(h.Set)) {
			modifiers = append(modifiers, map[string]any{"header.Modifier": map[string]any{"scope": scope, "name": k, "value": h.Set[k]}})
		}
	}
	if len(modifiers) == 0 {
		return nil
	}
	return map[string]any{"fifo.Group": map[string]any{
		"scope": []string{"request", "response"}, "aggregateErrors": true, "modifiers": modifiers,
	}}
}
