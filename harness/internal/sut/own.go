package sut

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"mvdan.cc/sh/v3/shell"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/internal/suggest"
)

// Own is a service that a user names: a program, an image, or an address. It runs as it is.
type Own struct {
	Name  string
	Value string // of the flag, what follows the name
	Ready string // path that it answers with a status below 500 when it is ready; empty: /
}

var ownName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// ParseOwn takes "name=value" apart; flag is its name in errors.
func ParseOwn(flag, text, ready string) (Own, error) {
	name, value, found := strings.Cut(text, "=")
	switch {
	case !found || value == "":
		return Own{}, fmt.Errorf("--%s: %q is not allowed: want name=value", flag, text)
	case !ownName.MatchString(name):
		return Own{}, fmt.Errorf("--%s: name %q is not allowed: want lower-case letters, digits and dashes", flag, name)
	case ready != "" && !strings.HasPrefix(ready, "/"):
		return Own{}, fmt.Errorf("--ready: %q is not allowed: want a path that begins with /", ready)
	}
	if ready == "" {
		ready = "/"
	}
	return Own{Name: name, Value: value, Ready: ready}, nil
}

const unconfigurable = "it runs without a configuration by the lab, and this policy needs one"

// system is what all three have in common.
func (o Own) system(about string) *System {
	return &System{
		Name: o.Name, About: about, Own: true,
		Lacks: func(p *policy.Policy) string { return lacks(map[string]bool{unconfigurable: configures(p)}) },
	}
}

// configures says whether a policy asks for anything but a plain reverse proxy.
func configures(p *policy.Policy) bool {
	return p.Origins != nil || p.Only || changes(p) || p.Client != (policy.Client{Connections: p.Client.Connections}) ||
		p.Auth != nil || p.Cache != nil || p.RequestBody != nil || p.ResponseBody != nil || p.AccessLog ||
		len(p.Routes)+len(p.Limits) > 0 || !p.Request.Empty() || !p.Response.Empty()
}

// placeholders stand for addresses in a command.
var (
	placeholders = []string{"{listen}", "{host}", "{port}", "{origin}"}
	placeholder  = regexp.MustCompile(`\{[a-z]+\}`)
)

// Command is a program on this machine and its arguments, with quotes as in a shell. {listen}, {host}, {port} and {origin} are replaced in
// them; the environment has PORT and ORIGIN.
func (o Own) Command() (*System, error) {
	words, err := shell.Fields(o.Value, nil)
	if err != nil {
		return nil, fmt.Errorf("--command %s: %q is not allowed: want a program and its arguments: %w", o.Name, o.Value, err)
	}
	if len(words) == 0 {
		return nil, fmt.Errorf("--command %s: want a program", o.Name)
	}
	for _, word := range words[1:] {
		for _, name := range placeholder.FindAllString(word, -1) {
			if !slices.Contains(placeholders, name) {
				return nil, fmt.Errorf("--command %s: %s is not known%s: want some of %s", o.Name, name, suggest.Hint(name, placeholders),
					strings.Join(placeholders, ", "))
			}
		}
	}
	program, err := exec.LookPath(words[0])
	if err != nil {
		return nil, fmt.Errorf("--command %s: %w", o.Name, err)
	}
	s := o.system("command: " + o.Value)
	if s.Binary, err = filepath.Abs(program); err != nil {
		return nil, fmt.Errorf("--command %s: %w", o.Name, err)
	}
	s.Spec = func(a *Arm) (lab.Spec, error) {
		host, port := split(a.Listen())
		if host == "" {
			host = "0.0.0.0"
		}
		fill := strings.NewReplacer("{listen}", a.Listen(), "{host}", host, "{port}", port, "{origin}", a.Origin)
		out := lab.Spec{Env: map[string]string{"PORT": port, "ORIGIN": a.Origin}, Ready: readyAt(a.System.ListenPort(), o.Ready)}
		for _, w := range words[1:] {
			out.Args = append(out.Args, fill.Replace(w))
		}
		return out, nil
	}
	return s, nil
}

// Image is an image that serves HTTP on a port: "repo/img:tag@8080". Its environment has PORT and ORIGIN.
func (o Own) Image() (*System, error) {
	i := strings.LastIndex(o.Value, "@")
	if i <= 0 {
		return nil, fmt.Errorf("--image %s: %q is not allowed: want image@port", o.Name, o.Value)
	}
	port, err := strconv.Atoi(o.Value[i+1:])
	if err != nil || port < 1 || port > 65535 {
		return nil, fmt.Errorf("--image %s: port %q is not allowed: want 1 to 65535", o.Name, o.Value[i+1:])
	}
	ref := o.Value[:i]
	s := o.system("image: " + ref)
	s.Port = port
	s.Spec = func(a *Arm) (lab.Spec, error) {
		return lab.Spec{
			Source: lab.Source{Image: ref, EntryPoint: true}, Env: map[string]string{"PORT": strconv.Itoa(port), "ORIGIN": a.Origin},
			Ready: imageReady(ref, port, o.Ready), ReadyIn: time.Minute,
		}, nil
	}
	return s, nil
}

// Target is an address outside the lab: http://host:port.
func (o Own) Target() (*System, error) {
	u, err := url.Parse(o.Value)
	switch {
	case err != nil || !strings.Contains(o.Value, "://"):
		return nil, fmt.Errorf("--target %s: %q is not allowed: want http://host or http://host:port", o.Name, o.Value)
	case u.Scheme == "https":
		return nil, fmt.Errorf("--target %s: https is not allowed: the load generator accepts the certificate of the "+
			"lab alone; name an http:// address of the service, as behind what ends TLS", o.Name)
	case u.Scheme != "http" || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil:
		return nil, fmt.Errorf("--target %s: %q is not allowed: want http://host or http://host:port", o.Name, o.Value)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	s := o.system("outside the lab at " + o.Value + ": its CPU, memory and restarts are not measured, and its figures include the network " +
		"and its other load; no closed loop, because it would send as much as the service accepts")
	s.Address, s.ReadyPath = net.JoinHostPort(u.Hostname(), port), o.Ready
	configured := s.Lacks
	s.Lacks = func(p *policy.Policy) string {
		if why := configured(p); why != "" {
			return why
		}
		for i := range p.Probes {
			if p.Probes[i].Reach != nil {
				return "the policy counts requests at the origin of the lab, which this service does not use"
			}
		}
		return ""
	}
	return s, nil
}

// readyAt wants an answer to a path that is no server error.
func readyAt(port int, path string) func(context.Context, lab.Node) error {
	return func(ctx context.Context, n lab.Node) error { return Reachable(ctx, n.HostAddr(port), path) }
}

// imageReady is readyAt, with what an image that never is may lack.
func imageReady(ref string, port int, path string) func(context.Context, lab.Node) error {
	ready := readyAt(port, path)
	return func(ctx context.Context, n lab.Node) error {
		if err := ready(ctx, n); err != nil {
			return fmt.Errorf("GET %s on port %d: %w (%s must listen on that port of all its addresses, and answer the path of --ready "+
				"with a status below 500)", path, port, err, ref)
		}
		return nil
	}
}

// Reachable asks an address for a path. Any answer with a status below 500 will do.
func Reachable(ctx context.Context, address, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, http.NoBody)
	if err != nil {
		return err
	}
	req.Close = true
	res, err := http.DefaultTransport.RoundTrip(req) // a redirect is an answer
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)) // only whether it answers counts
	if res.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("GET %s answered %d", path, res.StatusCode)
	}
	return nil
}
