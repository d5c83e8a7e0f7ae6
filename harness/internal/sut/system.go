package sut

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/harness/internal/topology"
	"github.com/gatelab/gatelab/internal/suggest"
)

// RoleArm is the role of the nodes that are compared.
const RoleArm = "arm"

// System is a gateway that can be an arm of a comparison. Each has a file of its own, which says how it is started and configured for a
// policy, and what it cannot do.
type System struct {
	Name   string // also of its node
	About  string // what it is and where the lab gets it, for a reader
	Tested bool   // the lab's own tests have run it; false: written from its documentation
	// Module is a Go command that is built, instead of a server that is installed: "MODULE/cmd/NAME@version".
	Module string
	// Own says that a user named it: it runs as it is, and its bodies need not be the origin's.
	Own bool
	// Binary is the path of a user's program; empty: none.
	Binary string
	// Port is where its node listens; 0 is topology.PortProxy.
	Port int
	// Address is host:port of a service outside the lab, which answers at ReadyPath; empty: it is a node. There is no Spec then.
	Address, ReadyPath string
	// Needs are the roles of further nodes: Postgres, Redis.
	Needs []string
	// Speaks are the protocols of policy.Client that this lab sets up for it, and Mute says why it does not for others; empty: it is just
	// not set up.
	Speaks []string
	Mute   string
	// Change makes a change while the node runs, for policies with changes; nil: this lab does not set it up. It returns when the change is
	// accepted, not when it is in effect. The arm's policy is the changed one.
	Change func(ctx context.Context, n lab.Node, a *Arm) error
	// Balances says that this lab sets up its balancing between several origins.
	Balances bool
	// Sockets says that this lab sets it up to pass on WebSockets, and no other protocol.
	Sockets bool
	// Strict says that this lab sets it up to answer paths without a route with 404.
	Strict bool
	// Lacks says why the system cannot be configured for a policy; empty: it can.
	Lacks func(p *policy.Policy) string
	// Spec is the node. Its name, role, port, cores and readiness are set by Node.
	Spec func(a *Arm) (lab.Spec, error)
	// Configure sets what Spec's files and arguments cannot; nil: nothing.
	Configure func(ctx context.Context, l *lab.Lab, a *Arm) error
}

// Arm is a system that is to run under a policy.
type Arm struct {
	System *System
	Policy *policy.Policy
	Layout lab.Layout
	Origin string // host:port
	// Origins are those of a policy with several, in place of Origin.
	Origins []string
	Cores   []int // the cores it may use; none: all
}

// upstreams are the origins that requests go to.
func (a *Arm) upstreams() []string {
	if len(a.Origins) > 0 {
		return a.Origins
	}
	return []string{a.Origin}
}

// Listen is host:port to listen on; the host is empty for all addresses.
func (a *Arm) Listen() string { return a.Layout.ListenAddr(a.System.Name, a.System.ListenPort()) }

// ListenPort is where its node listens.
func (s *System) ListenPort() int {
	if s.Port != 0 {
		return s.Port
	}
	return topology.PortProxy
}

// Threads is how many cores the arm may use.
func (a *Arm) Threads() int {
	if n := len(a.Cores); n > 0 {
		return n
	}
	return runtime.NumCPU()
}

// Program is the name by which the lab knows its program.
func (s *System) Program() string {
	switch s.Name {
	case gatelabName:
		return lab.ProgramGateway
	case nginxName:
		return lab.ProgramNginx
	}
	if s.Own {
		return "own-" + s.Name // none of the lab's
	}
	return s.Name
}

// Command is the module of a system that is built, its command as a path within the module, and its version.
func (s *System) Command() (module, command, version string) {
	at, version, _ := strings.Cut(s.Module, "@")
	module, name, _ := strings.Cut(at, "/cmd/")
	return module, "./cmd/" + name, version
}

// Executable is what a built module is called on disk.
func (s *System) Executable() string {
	_, command, _ := s.Command()
	return path.Base(command)
}

// Systems are all that can be compared, in the order in which they are listed.
func Systems() []*System {
	all := []*System{
		gatelab(), nginx(), haproxy(), varnish(), apache(), caddy(), skipper(), traefik(), kongOpen(), apisix(), envoy(), krakend(), tyk(),
	}
	for _, s := range all {
		s.able()
	}
	return all
}

// bothProtocols are those of policy.Client.
func bothProtocols() []string { return []string{policy.ProtocolTLS, policy.ProtocolHTTP2} }

// able adds to what a system lacks by itself what this lab does not set up for it.
func (s *System) able() {
	its := s.Lacks
	s.Lacks = func(p *policy.Policy) string {
		mute := s.Mute
		if mute == "" {
			mute = "the lab does not configure TLS and HTTP/2 for it"
		}
		return lacks(map[string]bool{
			"the lab does not configure load balancing for it":                p.Origins != nil && !s.Balances,
			"the lab does not configure changes at run time for it":           changes(p) && s.Change == nil,
			"the lab does not configure WebSockets for it":                    p.WebSocket && !s.Sockets,
			"the lab does not configure 404 for paths without a route for it": p.Only && !s.Strict,
			its(p): true, mute: p.Client.TLS() && !slices.Contains(s.Speaks, p.Client.Protocol),
		})
	}
}

// Find are the systems of the given names, and then the user's own that are not named.
func Find(names []string, own ...*System) ([]*System, error) {
	all := Systems()
	var known []string
	for _, s := range all {
		known = append(known, s.Name)
	}
	for _, s := range own {
		if slices.Contains(known, s.Name) {
			return nil, fmt.Errorf("gateway %q: there is one of that name: choose another", s.Name)
		}
		all, known = append(all, s), append(known, s.Name)
	}
	var out []*System
	for _, n := range names {
		i := slices.Index(known, n)
		if i < 0 {
			return nil, suggest.Unknown("gateway", n, known)
		}
		if slices.Contains(out, all[i]) {
			return nil, fmt.Errorf("gateway %q is named twice", n)
		}
		out = append(out, all[i])
	}
	for _, s := range own {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out, nil
}

// Node is the arm's node.
func (a *Arm) Node() (lab.Spec, error) {
	if changes(a.Policy) {
		a = a.changed(0)
	}
	s, err := a.System.Spec(a)
	if err != nil {
		return lab.Spec{}, fmt.Errorf("configure %s for %s: %w", a.System.Name, a.Policy.Name, err)
	}
	s.Name, s.Role = a.System.Name, RoleArm
	s.Cores = a.Cores
	s.Program = a.System.Program()
	if port := a.System.ListenPort(); !slices.Contains(s.Ports, port) {
		s.Ports = append(s.Ports, port)
	}
	if s.Ready == nil {
		s.Ready = a.answers
	}
	if a.Policy.Client.TLS() {
		c, err := LabCertificate()
		if err != nil {
			return lab.Spec{}, err
		}
		s.Files = maps.Clone(s.Files)
		if s.Files == nil {
			s.Files = map[string][]byte{}
		}
		s.Files[certificateFile] = slices.Concat(c.Public, c.Key)
	}
	if s.Grace == 0 {
		s.Grace = 3 * time.Second
	}
	return s, nil
}

// readyPath is what a new arm is asked: the origin echoes it.
const readyPath = "/anything/ready"

// answers wants any answer that a configured gateway gives: also to a client whom it does not let in.
func (a *Arm) answers(ctx context.Context, n lab.Node) error {
	client, err := a.client()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.Scheme()+"://"+n.HostAddr(topology.PortProxy)+readyPath, http.NoBody)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 512)) // for the message only
	switch res.StatusCode {
	case http.StatusNotFound:
		if a.Policy.Only {
			return nil
		}
	case http.StatusOK, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return nil
	}
	return fmt.Errorf("GET %s answered %d: %s", readyPath, res.StatusCode, strings.TrimSpace(string(body)))
}

// lacks joins the reasons that apply.
func lacks(reasons map[string]bool) string {
	var out []string
	for why, applies := range reasons {
		if applies && why != "" {
			out = append(out, why)
		}
	}
	slices.Sort(out)
	return strings.Join(out, "; ")
}
