package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/gatelab/gatelab/harness/internal/compare"
	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/harness/internal/sut"
)

// serviceFlags name two builds of any service for a gate, instead of two commits of our gateway.
type serviceFlags struct {
	baseCommand, headCommand string
	baseImage, headImage     string
	workload, ready          string
}

func (s *serviceFlags) add(f *pflag.FlagSet) {
	const command = "of any service, instead of a git reference: a `program` and its arguments, with {listen}, {port} and {origin}"
	f.StringVar(&s.baseCommand, "base-command", "", "base "+command)
	f.StringVar(&s.headCommand, "head-command", "", "head "+command)
	f.StringVar(&s.baseImage, "base-image", "", "base of any service: an `image` and its port, such as shop:1.4@8080")
	f.StringVar(&s.headImage, "head-image", "", "head of any service: an `image` and its port")
	f.StringVar(&s.workload, "workload", "", "`file` of policies whose traffic and probes are the workloads of the service")
	f.StringVar(&s.ready, "ready", "", "`path` that responds when the service is ready (default /)")
}

// given says whether any of the flags is.
func (s *serviceFlags) given() bool {
	return s.baseCommand+s.headCommand+s.baseImage+s.headImage+s.workload != ""
}

// build is one build of a service, as a system under a name.
func (s *serviceFlags) build(flag, command, image string) (func(string) (*sut.System, error), error) {
	if (command == "") == (image == "") {
		return nil, fmt.Errorf("gate: want either --%s-command or --%[1]s-image", flag)
	}
	return func(name string) (*sut.System, error) {
		kind, value := "command", command
		if image != "" {
			kind, value = "image", image
		}
		own, err := sut.ParseOwn(kind, name+"="+value, s.ready)
		if err != nil {
			return nil, err
		}
		if image != "" {
			return own.Image()
		}
		return own.Command()
	}, nil
}

// run measures both builds.
func (s *serviceFlags) run(ctx context.Context, o compare.GateOptions) (*compare.GateOutcome, error) {
	if s.workload == "" {
		return nil, errors.New("gate: a service needs --workload: a file of policies with its paths (docs/compare.md)")
	}
	if len(o.Objectives) > 0 || o.WantObjectives {
		return nil, errors.New("gate: --slo and --fail-on slo need a scenario: two builds of a service are compared with each other only")
	}
	set, err := policy.Read(s.workload)
	if err != nil {
		return nil, err
	}
	if set, err = set.Choose(o.Profile, nil); err != nil {
		return nil, err
	}
	c := compare.Services{Config: o.Config, Set: set, MaxRounds: o.MaxRounds, Margins: o.Margins}
	if c.Base, err = s.build("base", s.baseCommand, s.baseImage); err != nil {
		return nil, err
	}
	if c.Head, err = s.build("head", s.headCommand, s.headImage); err != nil {
		return nil, err
	}
	if (s.baseImage != "") != (s.headImage != "") {
		return nil, errors.New("gate: a command and an image cannot be compared: one is a process, the other a container")
	}
	c.Runtime = ownRuntime(o.Runtime, s.baseImage != "", s.baseCommand != "")
	return compare.GateServices(ctx, c)
}
