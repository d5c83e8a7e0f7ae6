package contest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/sut"
)

// Bounds of the load where an arm lies outside the lab, unless the options name others.
const (
	outsideRate        = 50.0 // requests per second
	outsideConnections = 10
)

// bounded is the set with the load that the options name. All arms get the same: where one lies outside the lab, its bounds are everyone's.
func bounded(o *Options) *policy.Set {
	out := *o.Set
	rate, connections := out.Load.Rate, out.Load.Connections
	outside := slices.ContainsFunc(o.Systems, func(s *sut.System) bool { return s.Address != "" })
	if outside {
		rate, connections = min(rate, outsideRate), min(connections, outsideConnections)
	}
	if o.Rate > 0 {
		rate = o.Rate
	}
	if o.Connections > 0 {
		connections = o.Connections
	}
	out.Load.Rate, out.Load.Connections = rate, connections
	out.Policies = slices.Clone(out.Policies)
	for i := range out.Policies {
		if p := &out.Policies[i]; outside || o.Rate > 0 {
			p.Rate = min(p.Rate, rate)
			p.Client.Connections = min(p.Client.Connections, connections)
		}
	}
	return &out
}

// proxy is where the harness reaches the arm.
func (a *arm) proxy(s *session.Session) (string, error) {
	if a.System.Address != "" {
		return "http://" + a.System.Address, nil
	}
	node, ok := s.Lab.Node(a.System.Name)
	if !ok {
		return "", fmt.Errorf("the lab has no %s", a.System.Name)
	}
	return a.Scheme() + "://" + node.HostAddr(a.System.ListenPort()), nil
}

// target is where the worker reaches the arm.
func (a *arm) target(s *session.Session) string {
	if a.System.Address != "" {
		return "http://" + a.System.Address
	}
	return a.Scheme() + "://" + s.Lab.Addr(a.System.Name, a.System.ListenPort())
}

// pace is the time between two probes of an arm: outside the lab they keep to the rate, too.
func (a *arm) pace(rate float64) time.Duration {
	if a.System.Address == "" {
		return 0
	}
	return time.Duration(float64(time.Second) / rate)
}

// usage is what the arm's node has used; nothing of one outside the lab.
func (a *arm) usage(ctx context.Context, s *session.Session) (lab.Usage, error) {
	if a.System.Address != "" {
		return lab.Usage{}, nil
	}
	node, ok := s.Lab.Node(a.System.Name)
	if !ok {
		return lab.Usage{}, fmt.Errorf("the lab has no %s", a.System.Name)
	}
	return node.Usage(ctx)
}

// havable says that what only an image's entry point starts cannot be had as a process.
func havable(s *session.Session, spec lab.Spec) error {
	if s.RuntimeName != session.RuntimeHost || !spec.Source.EntryPoint {
		return nil
	}
	return fmt.Errorf("%s is had as the image %s only, and this lab's nodes are processes: start a Docker engine", spec.Name,
		spec.Source.Image)
}
