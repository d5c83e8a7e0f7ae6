package sut

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// tyk is Tyk's open-source gateway with files instead of a dashboard; it wants a Redis in any case.
func tyk() *System {
	return &System{
		Name: "tyk", About: "Tyk Gateway, open source, from its official image; written from its documentation",
		Needs: []string{topology.RoleRedis},
		Lacks: func(p *policy.Policy) string {
			return lacks(map[string]bool{
				"its credentials are stored in Redis, which the lab does not configure for it":  p.Auth != nil,
				"its limits are distributed and not exact, and the lab does not configure them": len(p.Limits) > 0,
				"its cache ignores the Vary header of the origin":                               p.Cache != nil,
				"JSON bodies can only be replaced with a template of the whole body":            p.RequestBody != nil || p.ResponseBody != nil,
				"its access log goes to standard output instead of a file":                      p.AccessLog,
				"each further route to an origin needs a separate API definition":               len(p.Routes) > 0,
			})
		},
		Spec: tykSpec,
	}
}

func tykSpec(a *Arm) (lab.Spec, error) {
	host, port := split(a.Layout.DialAddr(topology.RoleRedis, topology.PortRedis))
	redis, _ := strconv.Atoi(port)
	_, listen := split(a.Listen())
	number, _ := strconv.Atoi(listen)
	files := map[string][]byte{}
	for path, content := range map[string]map[string]any{
		"/opt/tyk-gateway/tyk.conf": {
			"listen_port": number, "secret": "bench", "template_path": "/opt/tyk-gateway/templates", "use_db_app_configs": false,
			"app_path": "/opt/tyk-gateway/apps", "storage": map[string]any{"type": "redis", "host": host, "port": redis},
			"enable_analytics": false, "log_level": "error", "close_connections": false, "max_idle_connections_per_host": 256,
			"http_server_options": map[string]any{"skip_url_cleaning": true}, "hash_keys": true,
		},
		"/opt/tyk-gateway/apps/bench.json": tykInterface(a),
	} {
		b, err := json.MarshalIndent(content, "", "\t")
		if err != nil {
			return lab.Spec{}, fmt.Errorf("%s: %w", path, err)
		}
		files[path] = b
	}
	threads := strconv.Itoa(a.Threads())
	return lab.Spec{
		Source: lab.Source{Image: "tykio/tyk-gateway:v5.3.0", EntryPoint: true}, Files: files, Env: map[string]string{"GOMAXPROCS": threads},
		Settings: map[string]string{"max_procs": threads}, ReadyIn: time.Minute,
	}, nil
}

// tykInterface is the one API: everything, to the origin.
func tykInterface(a *Arm) map[string]any {
	version := map[string]any{
		"name": "Default", "use_extended_paths": true,
		"global_headers": a.Policy.Request.Set, "global_headers_remove": a.Policy.Request.Remove,
		"global_response_headers": a.Policy.Response.Set, "global_response_headers_remove": a.Policy.Response.Remove,
	}
	out := map[string]any{
		"name": "bench", "api_id": "bench", "org_id": "bench", "active": true, "use_keyless": true,
		"version_data": map[string]any{"not_versioned": true, "versions": map[string]any{"Default": version}},
		"proxy": map[string]any{
			"listen_path": "/", "target_url": "http://" + a.Origin, "strip_listen_path": false, "preserve_host_header": true,
		},
	}
	if !a.Policy.Response.Empty() {
		out["response_processors"] = []any{map[string]any{"name": "header_injector", "options": map[string]any{}}}
	}
	return out
}
