package sut

import (
	"crypto/sha1" //nolint:gosec // the hash that the file format of RFC 2307 passwords names; the password is public
	_ "embed"
	"encoding/base64"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/policy"
)

//go:embed apache.conf.tmpl
var apacheConf string

const apacheName = "apache"

// apache is the Apache HTTP Server with the modules that it brings itself.
func apache() *System {
	return &System{
		Name: apacheName, About: "Apache HTTP Server with its own modules, event MPM, from the distribution's package or the official image",
		Tested: true,
		Lacks: func(p *policy.Policy) string {
			return lacks(map[string]bool{
				"jwt needs an additional module":                p.Auth != nil && p.Auth.Kind == policy.AuthJWT,
				"limits on requests need an additional module":  len(p.Limits) > 0,
				"changing JSON bodies needs a scripting module": p.RequestBody != nil || p.ResponseBody != nil,
				"the Server header cannot be removed": slices.ContainsFunc(p.Response.Remove,
					func(h string) bool { return strings.EqualFold(h, "Server") }),
				"its time-outs towards an origin are whole seconds": p.Origins != nil && p.Origins.Timeout%time.Second != 0,
				"its cache is local to each replica":                p.Cache != nil && p.Cache.Shared,
			})
		},
		Spec: apacheSpec, Speaks: bothProtocols(), Strict: true, Sockets: true, Balances: true,
		Change: bySignal(syscall.SIGUSR1),
	}
}

func apacheSpec(a *Arm) (lab.Spec, error) {
	p := a.Policy
	if p.Auth != nil && p.Auth.Kind == policy.AuthKey && strings.ContainsAny(p.Auth.Key, " \t") {
		return lab.Spec{}, fmt.Errorf("auth.key: %q is not allowed for %s: want no spaces", p.Auth.Key, apacheName)
	}
	host, port := split(a.Listen())
	listen := port
	if host != "" {
		listen = net.JoinHostPort(host, port)
	}
	conf, err := render("apache.conf", apacheConf, map[string]any{
		"Listen": listen, "Origin": a.Origin, "Origins": a.upstreams(), "Policy": p, "HTTP2": a.HTTP2(), "Scheme": a.Scheme(),
		"word": apacheWord, "text": apacheText,
		"RequestSet": apacheHeaders(p.Request), "ResponseSet": apacheHeaders(p.Response),
	})
	if err != nil {
		return lab.Spec{}, err
	}
	files := map[string][]byte{"/etc/apache2/gatelab.conf": conf}
	if p.Auth != nil && p.Auth.Kind == policy.AuthBasic {
		sum := sha1.Sum([]byte(p.Auth.Password)) //nolint:gosec // as above
		files["/tmp/users"] = fmt.Appendf(nil, "%s:{SHA}%s\n", p.Auth.User, base64.StdEncoding.EncodeToString(sum[:]))
	}
	settings := map[string]string{"mpm": "event, 2 to 4 processes of 64 threads"}
	var scratch []string
	if p.Cache != nil {
		scratch = []string{"/tmp/cache"} // in memory where a container's own file system would be measured instead
		settings["cache"] = "mod_cache_disk; a path with a query is cached only if the origin specifies a lifetime"
	}
	return lab.Spec{
		Source: lab.Source{
			Executable: "apache2", Places: []string{"/usr/sbin/apache2", "/usr/local/apache2/bin/httpd", "/opt/homebrew/bin/httpd"},
			Version: []string{"-v"}, Packages: []string{"apache2"}, Image: "httpd:2.4",
		},
		Args:  []string{"-D", "FOREGROUND", "-f", "/etc/apache2/gatelab.conf"},
		Files: files, Scratch: scratch, Settings: settings,
	}, nil
}

// apacheHeaders are the values to set as words of the configuration in which nothing is a variable.
func apacheHeaders(h policy.Headers) map[string]string {
	out := map[string]string{}
	for k, v := range h.Set {
		out[k] = apacheWord(strings.ReplaceAll(v, "%", "%%"))
	}
	return out
}

// apacheWord quotes one word of the configuration. What looks like a variable is taken apart by one, because nothing escapes it.
func apacheWord(s string) string {
	return `"` + apacheText(strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)) + `"`
}

func apacheText(s string) string { return strings.ReplaceAll(s, "${", "${dollar}{") }
