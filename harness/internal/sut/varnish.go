package sut

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/policy"
)

//go:embed varnish.vcl.tmpl
var varnishConf string

const varnishName = "varnish"

// varnish is Varnish Cache with the modules of varnish-modules.
func varnish() *System {
	return &System{
		Name: varnishName, About: "Varnish Cache with varnish-modules, from the distribution's packages or the official image", Tested: true,
		Lacks: func(p *policy.Policy) string {
			return lacks(map[string]bool{
				"jwt needs a module that varnish-modules does not include":                        p.Auth != nil && p.Auth.Kind == policy.AuthJWT,
				"its configuration language cannot read bodies, so JSON bodies cannot be changed": p.RequestBody != nil || p.ResponseBody != nil,
				"limits cannot be shared between replicas": slices.ContainsFunc(p.Limits,
					func(l policy.Limit) bool { return l.Shared }),
				"its cache is local to each replica":                                         p.Cache != nil && p.Cache.Shared,
				"access logs are written by a second program, varnishncsa, which is not run": p.AccessLog,
			})
		},
		Spec: varnishSpec, Strict: true, Sockets: true, Balances: true, Mute: "TLS needs another program in front of it, such as hitch",
	}
}

func varnishSpec(a *Arm) (lab.Spec, error) {
	p := a.Policy
	backends, err := varnishBackends(a)
	if err != nil {
		return lab.Spec{}, err
	}
	data := map[string]any{"Backends": backends, "Policy": p, "string": varnishString, "routed": varnishRoutes(p)}
	if p.Auth != nil && p.Auth.Kind == policy.AuthBasic {
		data["Basic"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(p.Auth.User+":"+p.Auth.Password))
	}
	for _, text := range varnishTexts(p) {
		if strings.Contains(text, `"}`) {
			return lab.Spec{}, fmt.Errorf("%q is not allowed for %s: want a text without \"}", text, varnishName)
		}
	}
	conf, err := render("varnish.vcl", varnishConf, data)
	if err != nil {
		return lab.Spec{}, err
	}
	return lab.Spec{
		Source: lab.Source{
			Executable: "varnishd", Places: []string{"/usr/sbin/varnishd", "/usr/local/sbin/varnishd", "/opt/homebrew/sbin/varnishd"},
			Version: []string{"-V"}, Packages: []string{"varnish", "varnish-modules"}, Image: "varnish:7.1",
		},
		Args: []string{
			"-F", "-j", "none", "-n", "/tmp", "-T", "none", "-f", "/etc/varnish/default.vcl", "-a", a.Listen(), "-s", "malloc,256m",
			// The client's Accept-Encoding is its own, a response is kept for its time and no longer, and no log is written.
			"-p", "http_gzip_support=off", "-p", "default_grace=0", "-p", "default_keep=0", "-p", "timeout_idle=60", "-p", "pipe_timeout=60",
		},
		Files:    map[string][]byte{"/etc/varnish/default.vcl": conf},
		ReadyIn:  time.Minute, // it compiles its configuration first
		Settings: map[string]string{"storage": "malloc,256m", "threads": "default: 2 pools of 100 to 5,000"},
	}, nil
}

// varnishBackend is an origin in its configuration.
type varnishBackend struct{ Name, Host, Port string }

// varnishBackends are the arm's origins: one is "origin", several are numbered.
func varnishBackends(a *Arm) ([]varnishBackend, error) {
	var out []varnishBackend
	for i, origin := range a.upstreams() {
		host, port, err := net.SplitHostPort(origin)
		if err != nil {
			return nil, fmt.Errorf("origin: %q is not allowed: want host:port", origin)
		}
		b := varnishBackend{Name: "origin", Host: host, Port: port}
		if len(a.Origins) > 0 {
			b.Name = fmt.Sprintf("origin%d", i)
		}
		out = append(out, b)
	}
	return out, nil
}

// varnishTexts are the policy's texts that become strings.
func varnishTexts(p *policy.Policy) []string {
	out := slices.Collect(maps.Values(p.Request.Set))
	out = slices.AppendSeq(out, maps.Values(p.Response.Set))
	if p.Auth != nil {
		out = append(out, p.Auth.Key)
	}
	for _, r := range p.Routes {
		out = append(out, r.Path)
	}
	return out
}

// varnishString is a long string, in which nothing is special but its end.
func varnishString(s string) string { return `{"` + s + `"}` }

// varnishGroup is how many routes are in one subroutine: the C compiler takes a time that grows with the square of a function's branches.
const varnishGroup = 50

// varnishRoutes are the conditions of the routes, in groups: exact paths, expressions, and prefixes.
func varnishRoutes(p *policy.Policy) [][]string {
	var exact, expressions, prefixes []string
	for _, r := range p.Routes {
		for _, path := range r.Paths() {
			switch r.Kind {
			case policy.RouteExact:
				exact = append(exact, "regsub(req.url, {\"\\?.*$\"}, \"\") == "+varnishString(path))
			case policy.RouteRegex:
				expressions = append(expressions, "req.url ~ "+varnishString(`^(?:`+path+`)(?:\?|$)`))
			case policy.RoutePrefix:
				prefixes = append(prefixes, "str.startswith(req.url, "+varnishString(path)+")")
			}
		}
	}
	return slices.Collect(slices.Chunk(slices.Concat(exact, expressions, prefixes), varnishGroup))
}
