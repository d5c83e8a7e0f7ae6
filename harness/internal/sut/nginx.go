package sut

import (
	"crypto/sha1" //nolint:gosec // the hash that the file format of RFC 2307 passwords names; the password is public
	_ "embed"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/policy"
)

//go:embed nginx.conf.tmpl
var nginxConf string

const nginxName = "nginx"

// nginx is the open-source server, without scripting modules.
func nginx() *System {
	return &System{
		Name: nginxName, About: "nginx open source, from the distribution's package or the official image", Tested: true,
		Lacks: func(p *policy.Policy) string {
			return lacks(map[string]bool{
				"jwt needs nginx Plus or the njs module":        p.Auth != nil && p.Auth.Kind == policy.AuthJWT,
				"changing JSON bodies needs a scripting module": p.RequestBody != nil || p.ResponseBody != nil,
				"removing its Server header needs an additional module": slices.ContainsFunc(p.Response.Remove,
					func(h string) bool { return strings.EqualFold(h, "Server") }),
				"limits cannot be shared between replicas":        slices.ContainsFunc(p.Limits, func(l policy.Limit) bool { return l.Shared }),
				"its cache is local to each replica, and on disk": p.Cache != nil && p.Cache.Shared,
			})
		},
		Spec: nginxSpec, Speaks: bothProtocols(), Strict: true, Balances: true, Sockets: true,
		Change: bySignal(syscall.SIGHUP),
	}
}

func nginxSpec(a *Arm) (lab.Spec, error) {
	host, port := split(a.Listen())
	listen := port
	if host != "" {
		listen = host + ":" + port
	}
	conf, err := render("nginx.conf", nginxConf, map[string]any{
		"Listen": listen, "Origin": a.Origin, "Workers": a.Threads(), "Policy": a.Policy, "HTTP2": a.HTTP2(), "Origins": a.upstreams(),
	})
	if err != nil {
		return lab.Spec{}, err
	}
	files := map[string][]byte{"/etc/nginx/nginx.conf": conf}
	if auth := a.Policy.Auth; auth != nil && auth.Kind == policy.AuthBasic {
		files["/tmp/users"] = htpasswd(auth)
	}
	spec := lab.Spec{Files: files, Settings: map[string]string{"worker_processes": fmt.Sprint(a.Threads())}}
	if a.Policy.Cache != nil {
		spec.Scratch = []string{"/tmp/nginx-cache"} // in memory: in a container its layered file system would be measured
	}
	return spec, nil
}

// htpasswd is a file of the one user who gets in.
func htpasswd(auth *policy.Auth) []byte {
	sum := sha1.Sum([]byte(auth.Password)) //nolint:gosec // as above
	return fmt.Appendf(nil, "%s:{SHA}%s\n", auth.User, base64.StdEncoding.EncodeToString(sum[:]))
}
