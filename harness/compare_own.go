package main

import (
	"errors"

	"github.com/spf13/pflag"

	"github.com/gatelab/gatelab/harness/internal/contest"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/sut"
)

// ownFlags name services of the user's that are arms of a comparison, and bound what is sent.
type ownFlags struct {
	commands, images, targets []string
	ready                     string
	allowTarget               bool
}

func (o *ownFlags) add(f *pflag.FlagSet, to *contest.Options) {
	f.Float64Var(&to.Rate, "rate", 0, "`requests` per second of the open loop (default that of the policies; with --target at most 50)")
	f.IntVar(&to.Connections, "connections", 0, "`number` of connections (default that of the policies; with --target at most 10)")
	f.StringArrayVar(&o.commands, "command", nil, "`name=command` of a program to compare; {listen}, {host}, {port} and {origin} are replaced")
	f.StringArrayVar(&o.images, "image", nil, "`name=image@port` of an image to compare")
	f.StringArrayVar(&o.targets, "target", nil, "`name=URL` of a service outside the lab to compare, http://host:port")
	f.BoolVar(&o.allowTarget, "allow-target", false, "confirm that you are allowed to send load to the addresses of --target")
	f.StringVar(&o.ready, "ready", "/", "`path` that responds when a --command, --image or --target is ready")
}

// ownRuntime is where services of the user's run, by one rule for compare and gate: where --runtime says; images in containers; commands,
// without images beside them, as processes of this machine, for which they were built. Empty: in containers where an
// engine answers, else as processes, as without a service.
func ownRuntime(asked string, images, commands bool) string {
	switch {
	case asked != "":
		return asked
	case images:
		return session.RuntimeDocker
	case commands:
		return session.RuntimeHost
	}
	return ""
}

// systems are the arms that the flags name.
func (o *ownFlags) systems(runtime string) ([]*sut.System, error) {
	if len(o.targets) > 0 && !o.allowTarget {
		return nil, errors.New("compare: --target is an address outside the lab: load may only be sent where you may; " +
			"if you may, say so with --allow-target")
	}
	if len(o.images) > 0 && runtime == session.RuntimeHost {
		return nil, errors.New("compare: --image needs containers: leave out --runtime host, and start a Docker engine")
	}
	var out []*sut.System
	for _, kind := range []struct {
		flag   string
		values []string
		make   func(sut.Own) (*sut.System, error)
	}{
		{flag: "command", values: o.commands, make: sut.Own.Command},
		{flag: "image", values: o.images, make: sut.Own.Image},
		{flag: "target", values: o.targets, make: sut.Own.Target},
	} {
		for _, v := range kind.values {
			own, err := sut.ParseOwn(kind.flag, v, o.ready)
			if err != nil {
				return nil, err
			}
			s, err := kind.make(own)
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		}
	}
	return out, nil
}
