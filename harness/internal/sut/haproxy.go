package sut

import (
	_ "embed"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/policy"
)

//go:embed haproxy.cfg.tmpl
var haproxyConf string

const haproxyName = "haproxy"

// haproxyCounters is how many stick tables one request can be counted in, as its packages are built.
const haproxyCounters = 3

// haproxy is the community version, without scripts in Lua.
func haproxy() *System {
	return &System{
		Name: haproxyName, About: "HAProxy community, from the distribution's package or the official image", Tested: true,
		Lacks: func(p *policy.Policy) string {
			return lacks(map[string]bool{
				"its cache does not store responses that vary by a header such as Accept-Language": p.Cache != nil,
				"changing JSON bodies needs a Lua script":                                          p.RequestBody != nil || p.ResponseBody != nil,
				"limits are shared by its own peers protocol instead of Redis": slices.ContainsFunc(p.Limits,
					func(l policy.Limit) bool { return l.Shared }),
				fmt.Sprintf("a request can be counted for %d limits at most", haproxyCounters): len(p.Limits) > haproxyCounters,
			})
		},
		Spec: haproxySpec, Speaks: bothProtocols(), Strict: true, Balances: true, Sockets: true,
		Change: bySignal(syscall.SIGUSR2),
	}
}

// haproxyPlain is what a secret may consist of: jwt_verify's arguments cannot hold every character.
var haproxyPlain = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]+$`)

func haproxySpec(a *Arm) (lab.Spec, error) {
	p := a.Policy
	if p.Auth != nil && p.Auth.Kind == policy.AuthJWT && !haproxyPlain.MatchString(p.Auth.Secret) {
		return lab.Spec{}, fmt.Errorf("auth.secret: %q is not allowed for %s: want letters, digits and ._~+/=-", p.Auth.Secret, haproxyName)
	}
	host, port := split(a.Listen())
	conf, err := render("haproxy.cfg", haproxyConf, map[string]any{
		"Listen": net.JoinHostPort(host, port), "Origin": a.Origin, "Threads": a.Threads(), "Policy": p, "HTTP2": a.HTTP2(),
		"Scheme": a.Scheme(), "Origins": a.upstreams(),
		"RequestSet": haproxyHeaders(p.Request), "ResponseSet": haproxyHeaders(p.Response), "word": haproxyWord,
	})
	if err != nil {
		return lab.Spec{}, err
	}
	args := []string{"-db", "-f", "/etc/haproxy/haproxy.cfg"}
	if changes(p) {
		args = append([]string{"-W"}, args...) // its master starts a new worker for each change
	}
	return lab.Spec{
		Source: lab.Source{
			Places:  []string{"/usr/sbin/haproxy", "/usr/local/sbin/haproxy", "/opt/homebrew/bin/haproxy"},
			Version: []string{"-v"}, Packages: []string{"haproxy"}, Image: "haproxy:2.6-alpine",
		},
		Args: args,
		Files: map[string][]byte{
			"/etc/haproxy/haproxy.cfg": conf,
			"/tmp/exact.map":           haproxyMap(p, policy.RouteExact),
			"/tmp/prefix.map":          haproxyMap(p, policy.RoutePrefix),
			"/tmp/expression.map":      haproxyMap(p, policy.RouteRegex),
		},
		Settings: map[string]string{"nbthread": strconv.Itoa(a.Threads())},
	}, nil
}

// haproxyMap is the map file of a kind of routes: a path and its backend, a line each.
func haproxyMap(p *policy.Policy, kind string) []byte {
	out := []byte{}
	for _, r := range p.Routes {
		if r.Kind != kind {
			continue
		}
		for _, path := range r.Paths() {
			if kind == policy.RouteRegex {
				path = "^" + path + "$"
			}
			out = fmt.Appendf(out, "%s origin\n", path)
		}
	}
	return out
}

// haproxyHeaders are the values to set as words of the configuration in which nothing is a variable.
func haproxyHeaders(h policy.Headers) map[string]string {
	out := map[string]string{}
	for k, v := range h.Set {
		out[k] = haproxyWord(strings.ReplaceAll(v, "%", "%%"))
	}
	return out
}

// haproxyWord quotes one word of the configuration.
func haproxyWord(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(s) + `"`
}
