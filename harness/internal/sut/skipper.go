package sut

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/policy"
)

const skipperFile = "/etc/skipper/routes.eskip"

// skipper is Zalando's HTTP router.
func skipper() *System {
	return &System{
		Name: "skipper", About: "Zalando's Skipper, built from its module", Tested: true,
		Module: "github.com/zalando/skipper/cmd/skipper@v0.22.0",
		Lacks: func(p *policy.Policy) string {
			return lacks(map[string]bool{
				"jwt needs keys from a server of the issuer (JWKS) instead of a shared secret": p.Auth != nil &&
					p.Auth.Kind == policy.AuthJWT,
				"it has no cache": p.Cache != nil,
				"JSON bodies can be changed only as text (sed filters)": p.RequestBody != nil || p.ResponseBody != nil,
				"its Server header cannot be removed": slices.ContainsFunc(p.Response.Remove,
					func(h string) bool { return strings.EqualFold(h, "Server") }),
				"limits that are shared between replicas (clusterRatelimit) are not set up by this lab": slices.ContainsFunc(p.Limits,
					func(l policy.Limit) bool { return l.Shared }),
				"limits of the same size and window share one counter": alike(p.Limits),
			})
		},
		Spec: skipperSpec, Speaks: bothProtocols(), Strict: true, Balances: true, Sockets: true,
		Change: bySignal(0),
	}
}

// alike says whether two limits differ in nothing but their path.
func alike(limits []policy.Limit) bool {
	for i, l := range limits {
		if slices.ContainsFunc(limits[:i], func(o policy.Limit) bool {
			return o.Requests == l.Requests && o.Window == l.Window && o.By == l.By
		}) {
			return true
		}
	}
	return false
}

func skipperSpec(a *Arm) (lab.Spec, error) {
	p, threads := a.Policy, strconv.Itoa(a.Threads())
	out := lab.Spec{
		Args: []string{
			"-address=" + a.Listen(), "-support-listener=", "-metrics-listener=", "-routes-file=" + skipperFile,
			"-application-log-level=ERROR", "-proxy-preserve-host", "-idle-conns-num=256", "-wait-for-healthcheck-interval=0",
			"-wait-first-route-load",
			"-forwarded-headers=X-Forwarded-For,X-Forwarded-Proto=" + a.Scheme(),
		},
		Files: map[string][]byte{skipperFile: []byte(skipperRoutes(p, a.upstreams()))},
		Env:   map[string]string{"GOMAXPROCS": threads},
		Settings: map[string]string{
			"max_procs": threads, "prefixes": "end at a slash: /few is no prefix of /fewer",
			"addresses of limits": "read from X-Real-IP of any client",
		},
	}
	if p.WebSocket {
		out.Args = append(out.Args, "-experimental-upgrade")
	}
	if len(p.Limits) > 0 {
		out.Args = append(out.Args, "-enable-ratelimits")
	}
	if p.Origins != nil {
		out.Args = append(out.Args, "-response-header-timeout-backend="+p.Origins.Timeout.String(),
			"-timeout-backend="+p.Origins.Timeout.String(), "-passive-health-check=period=1s,min-requests=5,max-drop-probability=0.9")
	}
	if changes(p) {
		out.Args = append(out.Args, "-source-poll-timeout=100") // ms; its own default is 3 s
		out.Settings["source_poll_timeout"] = "100 ms"
	}
	if p.Client.TLS() {
		out.Args = append(out.Args, "-tls-cert", certificateFile, "-tls-key", certificateFile)
	}
	if p.AccessLog {
		out.Args = append(out.Args, "-access-log=/tmp/access.log")
	} else {
		out.Args = append(out.Args, "-access-log-disabled")
	}
	if auth := p.Auth; auth != nil && auth.Kind == policy.AuthBasic {
		out.Files["/tmp/users"] = htpasswd(auth)
	}
	return out, nil
}

// skipperRoutes are the routes in its own language, each with all filters.
func skipperRoutes(p *policy.Policy, origins []string) string {
	backend := fmt.Sprintf("%q", "http://"+origins[0])
	if len(origins) > 1 {
		quoted := make([]string, len(origins))
		for i, origin := range origins {
			quoted[i] = fmt.Sprintf("%q", "http://"+origin)
		}
		backend = "<roundRobin, " + strings.Join(quoted, ", ") + ">"
	}
	var b strings.Builder
	filters := skipperFilters(p)
	guard := ""
	if p.Auth != nil && p.Auth.Kind == policy.AuthKey {
		guard = fmt.Sprintf(" && Header(%q, %q)", p.Auth.Header, p.Auth.Key)
		fmt.Fprintf(&b, "refused: * -> status(401) -> <shunt>;\n")
	}
	all := ""
	for _, l := range p.Limits {
		if l.Path == "" {
			all += " -> " + skipperLimit(l)
		}
	}
	route := func(name, predicate, limits string) {
		fmt.Fprintf(&b, "%s: %s%s%s%s -> %s;\n", name, predicate, guard, limits, filters, backend)
	}
	everything := `PathSubtree("/")`
	switch {
	case p.WebSocket:
		route("sockets", everything+` && HeaderRegexp("Upgrade", "(?i)^websocket$")`, all)
		route("all", everything, all+` -> dropRequestHeader("Upgrade") -> dropRequestHeader("Connection")`)
	case !p.Only:
		route("all", everything, all)
	}
	for i, l := range p.Limits {
		if l.Path != "" {
			route(fmt.Sprintf("limited%d", i), subtree(l.Path), all+" -> "+skipperLimit(l))
		}
	}
	for i, r := range p.Routes {
		for j, path := range r.Paths() {
			route(fmt.Sprintf("r%d_%d", i, j), skipperPath(r.Kind, path), all)
		}
	}
	return b.String()
}

func skipperPath(kind, path string) string {
	switch kind {
	case policy.RouteRegex:
		return fmt.Sprintf("PathRegexp(%s)", eskipRegexp("^"+path+"$"))
	case policy.RouteExact:
		return fmt.Sprintf("PathRegexp(%s)", eskipRegexp("^"+regexp.QuoteMeta(path)+"$"))
	}
	return subtree(path)
}

func subtree(path string) string {
	return fmt.Sprintf("PathSubtree(%q)", "/"+strings.Trim(path, "/"))
}

// eskipRegexp is an expression between slashes, or in quotes, as eskip wants strings.
func eskipRegexp(expression string) string { return strconv.Quote(expression) }

// skipperFilters are those of every route but the limits, in the order in which they see a request; they see the answer in the reverse one.
func skipperFilters(p *policy.Policy) string {
	var out []string
	add := func(format string, args ...any) { out = append(out, " -> "+fmt.Sprintf(format, args...)) }
	if p.Auth != nil && p.Auth.Kind == policy.AuthBasic {
		add("basicAuth(%q)", "/tmp/users")
	}
	for _, k := range p.Request.Remove {
		add("dropRequestHeader(%q)", k)
	}
	for _, k := range slices.Sorted(maps.Keys(p.Request.Set)) {
		add("setRequestHeader(%q, %q)", k, p.Request.Set[k])
	}
	for _, k := range p.Response.Remove {
		add("dropResponseHeader(%q)", k)
	}
	for _, k := range slices.Sorted(maps.Keys(p.Response.Set)) {
		add("setResponseHeader(%q, %q)", k, p.Response.Set[k])
	}
	return strings.Join(out, "")
}

func skipperLimit(l policy.Limit) string {
	window := fmt.Sprintf("%ds", l.Window/time.Second)
	if l.By == policy.ByAddress {
		return fmt.Sprintf("clientRatelimit(%d, %q, %q)", l.Requests, window, "X-Real-IP")
	}
	return fmt.Sprintf("ratelimit(%d, %q)", l.Requests, window)
}
