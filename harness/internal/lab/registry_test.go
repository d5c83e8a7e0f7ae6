package lab_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// stackRuntime is a runtime with a lab that was left running.
type stackRuntime struct {
	fakeRuntime
	nodes  []lab.Node
	failed error
}

func (r *stackRuntime) Attach(context.Context) ([]lab.Node, error) {
	if r.failed == nil && len(r.nodes) == 0 {
		return nil, lab.ErrNotUp
	}
	return r.nodes, r.failed
}

func (r *stackRuntime) Down(context.Context) ([]string, error) {
	var names []string
	for _, n := range r.nodes {
		names = append(names, n.Name())
	}
	return names, r.failed
}

// driver makes a driver of one runtime; available is what Available returns.
func driver(name string, available error, rt *stackRuntime) lab.Driver {
	return lab.Driver{
		Name: name, Description: "nodes of " + name, Remedy: "install " + name,
		Available: func(context.Context) error { return available },
		New:       func(context.Context, lab.RuntimeConfig) (lab.Runtime, error) { return rt, nil },
	}
}

func TestRegistryChoose(t *testing.T) {
	noEngine := fmt.Errorf("no engine answers: %w", lab.ErrUnavailable)
	remote := errors.New("the engine is on another machine")
	for _, c := range []struct {
		name      string
		wanted    string
		docker    error
		host      error
		want      string
		wantError string
		skipped   []string
	}{
		{name: "the first by default", want: "docker"},
		{name: "the next where the first is not available", docker: noEngine, want: "host", skipped: []string{"docker"}},
		{name: "by name", wanted: "host", want: "host"},
		{
			name: "by name, not available", wanted: "docker", docker: noEngine,
			wantError: "runtime docker: no engine answers: runtime not available: install docker",
		},
		{name: "a wrong configuration is not skipped", docker: remote, wantError: "runtime docker: the engine is on another machine"},
		{name: "unknown", wanted: "podman", wantError: `unknown runtime "podman": want one of docker, host`},
		{
			name: "none", docker: noEngine, host: noEngine, wantError: "runtime host: no engine answers", skipped: []string{"docker", "host"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := lab.Registry{driver("docker", c.docker, nil), driver("host", c.host, nil)}
			var skipped []string
			d, err := r.Choose(t.Context(), c.wanted, func(d lab.Driver, _ error) { skipped = append(skipped, d.Name) })
			if d.Name != c.want || !slices.Equal(skipped, c.skipped) {
				t.Errorf("chose %q after %v, want %q after %v", d.Name, skipped, c.want, c.skipped)
			}
			if c.wantError == "" && err != nil || c.wantError != "" && (err == nil || !strings.Contains(err.Error(), c.wantError)) {
				t.Errorf("error %v, want %q", err, c.wantError)
			}
		})
	}
}

func TestRegistryAttachesAndTakesDown(t *testing.T) {
	broken := errors.New("engine gone")
	lb := &fakeNode{name: "lb", role: "lb"}
	for _, c := range []struct {
		name      string
		docker    *stackRuntime // nil: not available
		host      *stackRuntime
		attached  int
		down      int
		attachErr error
		downErr   error
	}{
		{name: "nothing is up", docker: &stackRuntime{}, host: &stackRuntime{}, attachErr: lab.ErrNotUp},
		{name: "processes, where no engine answers", host: &stackRuntime{nodes: []lab.Node{lb}}, attached: 1, down: 1},
		{
			name: "containers and processes", attached: 1, down: 3,
			docker: &stackRuntime{nodes: []lab.Node{lb}}, host: &stackRuntime{nodes: []lab.Node{lb, lb}},
		},
		{
			name: "one of them fails", docker: &stackRuntime{failed: broken}, host: &stackRuntime{nodes: []lab.Node{lb}},
			attached: 1, down: 1, attachErr: broken, downErr: broken,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := lab.Registry{driver("docker", fmt.Errorf("no engine: %w", lab.ErrUnavailable), nil), driver("host", nil, c.host)}
			if c.docker != nil {
				r[0] = driver("docker", nil, c.docker)
			}
			nodes, err := r.Attach(t.Context())
			if len(nodes) != c.attached || !errors.Is(err, c.attachErr) {
				t.Errorf("attached to %d nodes, %v, want %d, %v", len(nodes), err, c.attached, c.attachErr)
			}
			removed, err := r.Down(t.Context())
			if len(removed) != c.down || !errors.Is(err, c.downErr) {
				t.Errorf("took down %v, %v, want %d, %v", removed, err, c.down, c.downErr)
			}
			if c.host.closed != 2 {
				t.Errorf("closed %d times, want after each use", c.host.closed)
			}
		})
	}
}
