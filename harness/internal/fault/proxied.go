package fault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/topology"
	"github.com/gatelab/gatelab/internal/suggest"
)

// NodeKinds are the kinds of fault that any node can have, whatever runs on it, sorted.
func NodeKinds() []string {
	return slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(stateChanges())), KindCPU, KindMemory)))
}

// LinkKinds are the kinds of fault of a TCP connection, sorted.
func LinkKinds() []string { return slices.Sorted(maps.Keys(toxics())) }

// Proxied is a TCP address that is reached through a proxy of package link.
type Proxied struct {
	Name     string // of the proxy in the admin API
	Admin    string // host:port of the admin API
	Listen   string // host:port of the proxy
	Upstream string // host:port of the address itself
	Request  string // what makes the address respond; empty: found out
}

// NewProxied makes a fault of the connections through a proxy. It needs something that makes the address respond, since a fault without an
// observed effect is an error: it waits for a greeting, and then tries what Postgres, Redis and web servers answer.
func NewProxied(ctx context.Context, s Spec, p Proxied) (Fault, error) {
	if _, ok := toxics()[s.Kind]; !ok {
		return nil, fmt.Errorf("fault %q%s is no fault of a connection: want %s", s.Kind, suggest.Hint(s.Kind, LinkKinds()),
			strings.Join(LinkKinds(), ", "))
	}
	far := farEnd{request: p.Request}
	if p.Request == "" {
		var err error
		if far, err = recognize(ctx, p.Upstream); err != nil {
			return nil, err
		}
	}
	s.Target = p.Upstream
	return newLinkFault(s, far, p.Name, p.Admin, p.Listen), nil
}

// answerWithin is how long an address may take to respond to one attempt.
const answerWithin = 500 * time.Millisecond

// recognize finds out what makes an address respond.
func recognize(ctx context.Context, address string) (farEnd, error) {
	known := farEnds()
	tries := []farEnd{{}, known[topology.RolePostgres], known[topology.RoleRedis], known[topology.RoleOrigin]}
	tries[3].bulk = ""
	for _, far := range tries {
		probe := linkFault{listen: address, request: far.request}
		n, err := probe.exchange(ctx, time.Now().Add(answerWithin))
		if n > 0 {
			return far, nil
		}
		var failed *net.OpError
		if errors.As(err, &failed) && failed.Op == "dial" {
			return farEnd{}, fmt.Errorf("%s does not accept connections: %w", address, err)
		}
	}
	return farEnd{}, fmt.Errorf("%s accepts connections and says nothing to a Postgres, Redis or HTTP client: "+
		"want what it answers to, as --probe", address)
}
