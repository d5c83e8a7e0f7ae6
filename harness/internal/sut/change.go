package sut

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/gatelab/gatelab/harness/internal/jsonhttp"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// ChangeHeader is the header of every response whose value is the number of the change that is in effect.
const ChangeHeader = "X-Bench-Change"

// changeWithin bounds one change.
const changeWithin = 20 * time.Second

// changed is the arm with the n-th change in its policy, which sets ChangeHeader.
func (a *Arm) changed(n int) *Arm {
	out, p := *a, *a.Policy
	p.Response.Set = maps.Clone(p.Response.Set)
	if p.Response.Set == nil {
		p.Response.Set = map[string]string{}
	}
	p.Response.Set[ChangeHeader] = strconv.Itoa(n)
	out.Policy = &p
	return &out
}

// Change makes the n-th change of an arm's configuration, and returns when the arm has accepted it, not when it is in effect. Change 0 is
// the configuration that an arm with changes begins with.
func (a *Arm) Change(ctx context.Context, l *lab.Lab, n int) error {
	ctx, cancel := context.WithTimeout(ctx, changeWithin)
	defer cancel()
	node, ok := l.Node(a.System.Name)
	if !ok {
		return fmt.Errorf("the lab has no %s", a.System.Name)
	}
	return a.System.Change(ctx, node, a.changed(n))
}

// bySignal changes an arm by its files, and a signal to its program; 0: it watches its files.
func bySignal(signal syscall.Signal) func(context.Context, lab.Node, *Arm) error {
	return func(ctx context.Context, n lab.Node, a *Arm) error {
		reloader, ok := n.(lab.Reloader)
		if !ok {
			return errors.New("the files of a container are not changed by this lab: use --runtime host")
		}
		spec, err := a.System.Spec(a)
		if err != nil {
			return err
		}
		return reloader.Reload(ctx, spec.Files, signal)
	}
}

// changeGatelab changes the plugin that sets response headers, over the Admin API.
func changeGatelab(ctx context.Context, n lab.Node, a *Arm) error {
	var found struct {
		Data []struct{ ID, Name string }
	}
	if err := jsonhttp.Send(ctx, http.MethodGet, Admin(n)+"/services/bench/plugins", nil, &found); err != nil {
		return err
	}
	for _, p := range found.Data {
		if p.Name == "response-transformer" {
			config := map[string]any{"config": transformer(a.Policy.Response, a.Policy.ResponseBody, "json")}
			return jsonhttp.Send(ctx, http.MethodPatch, Admin(n)+"/plugins/"+p.ID, config, nil)
		}
	}
	return errors.New("it has no response-transformer")
}

// changeCaddy loads a configuration over Caddy's admin endpoint.
func changeCaddy(ctx context.Context, n lab.Node, a *Arm) error {
	config, err := caddyConfig(a)
	if err != nil {
		return err
	}
	delete(config, "storage") // a path that is the lab's own only in a file; without one it is below HOME
	return jsonhttp.Send(ctx, http.MethodPost, "http://"+n.HostAddr(topology.PortAdmin)+"/load", config, nil)
}

// changes says whether the policy changes configurations while they are used.
func changes(p *policy.Policy) bool { return len(p.Changes) > 0 }
