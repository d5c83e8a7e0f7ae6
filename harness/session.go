package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gatelab/gatelab/harness/internal/grafana"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/session"
)

// What the commands that measure in a lab have in common: their flags, the session's configuration, and the outcome that they print.

// observers are the observers of a session: the console and the live log always, the metrics exporter and Grafana if flags ask for them.
type observers struct {
	program  *Program
	exporter session.ExporterConfig
	grafana  grafana.Config
	output   outputFlags
}

// sessionFlags adds the flags of a command that measures in a lab, and returns the observers that they configure.
func (p *Program) sessionFlags(cmd *cobra.Command, c *session.Config, profile string) *observers {
	f := cmd.Flags()
	labFlags(f, c, profile)
	reportsFlag(f, &c.Reports)
	f.IntVar(&c.Workers, "workers", 0, "`number` of workers that share every attack (default that of the scenario, or 1)")
	o := &observers{program: p}
	f.StringVar(&o.exporter.Listen, "metrics-listen", "", "`host:port` for /metrics of the run, such as 127.0.0.1:9464 (default none)")
	f.StringSliceVar(&o.exporter.Hosts, "metrics-hosts", []string{"host.docker.internal"},
		"additional host `names` under which metrics-listen can be scraped")
	p.grafanaFlags(f, &o.grafana)
	o.output.add(cmd)
	return o
}

// gatewayFlag is not for the gate, which builds its gateways.
func gatewayFlag(f *pflag.FlagSet, to *string) {
	f.StringVar(to, "gateway", "", "`path` of the gateway binary (default in the folder of this program)")
}

func reportsFlag(f *pflag.FlagSet, to *string) {
	f.StringVar(to, "reports", "reports", "`folder` for reports")
}

// labFlags add the flags of a command that starts a lab.
func labFlags(f *pflag.FlagSet, c *session.Config, profile string) {
	f.StringVar(&c.Profile, "profile", profile, "`name` of the profile of the scenario, which sets the durations")
	f.StringVar(&c.Runtime, "runtime", "", "where nodes run: docker (containers), host (processes) or kubernetes (pods) "+
		"(default docker if an engine answers)")
	f.StringVar(&c.Cluster.Context, "context", "", "`name` of the kubeconfig context for pods "+
		"(default the current one, if its cluster is on this machine)")
	f.StringVar(&c.Cluster.Registry, "registry", "", "`host[:port][/path]` of the registry to push images for pods to "+
		"(default none: images are loaded into the cluster of make kube-up)")
}

// grafanaFlags say which Grafana, and as whom. The token's place is the environment: flags are visible to every user of the machine.
func (p *Program) grafanaFlags(f *pflag.FlagSet, c *grafana.Config) {
	f.StringVar(&c.URL, "grafana-url", p.Getenv("GRAFANA_URL"), "`URL` of Grafana (default $GRAFANA_URL)")
	f.StringVar(&c.Token, "grafana-token", "", "`token` of a service account (default $GRAFANA_TOKEN, which other users cannot see)")
	f.DurationVar(&c.Timeout, "grafana-timeout", 0, "time limit of a request to Grafana (default 10s)")
}

// grafanaToken fills in the token if no flag gave one. It is not the flag's default, because help texts show defaults.
func (p *Program) grafanaToken(c *grafana.Config) {
	if c.Token == "" {
		c.Token = p.Getenv("GRAFANA_TOKEN")
	}
}

// open completes a session's configuration with our binaries and the observers, which closed must close at the end.
func (o *observers) open(cmd *cobra.Command, c *session.Config) (closed func(), err error) {
	if err := o.output.apply(c); err != nil {
		return nil, err
	}
	if to := o.output.remoteWrite; to != "" {
		if err := o.program.remoteConfig(to).Validate(); err != nil {
			return nil, err
		}
	}
	if err := o.program.findPrograms(c, cmd.Flags().Lookup("gateway") != nil); err != nil { // the gate builds its gateways
		return nil, err
	}
	c.Version, c.Command = o.program.Version, append([]string{"harness"}, o.program.args...)
	all := session.Observers{session.NewLiveLog(c.Reports, func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), "harness:", text) })}
	if to := o.output.steps(cmd); to != nil {
		console := session.NewConsole(to)
		console.NoProgress = o.output.noProgress
		all = append(all, console)
	}
	var closers []func()
	closed = func() {
		for _, one := range closers {
			one()
		}
	}
	if o.exporter.Listen != "" {
		o.exporter.Version = o.program.Version
		e, err := session.NewExporter(o.exporter)
		if err != nil {
			return nil, err
		}
		all, closers = append(all, e), append(closers, e.Close)
	}
	o.program.grafanaToken(&o.grafana)
	if o.grafana.URL != "" {
		a, err := session.NewAnnotations(cmd.Context(), o.grafana)
		if err != nil {
			closed()
			return nil, err
		}
		all = append(all, a)
		closers = append(closers, func() {
			if err := a.Close(cmd.Context()); err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), "harness:", err) // the figures are not affected
			}
		})
	}
	c.Observer = all
	return closed, nil
}

// findPrograms fills in the paths of our own binaries: this one and, if it is wanted, the gateway beside it unless a flag named another.
func (p *Program) findPrograms(c *session.Config, gateway bool) (err error) {
	if c.Harness, err = p.Executable(); err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if !gateway {
		return nil
	}
	if c.Gateway == "" {
		c.Gateway = filepath.Join(filepath.Dir(c.Harness), "gateway")
	}
	if _, err := os.Stat(c.Gateway); err != nil {
		return fmt.Errorf("the gateway's binary: %w: build it (make build) or name it with --gateway", err)
	}
	return nil
}

// readRun reads the result in a run's folder.
func readRun(dir string) (*result.Result, error) {
	return result.Read(filepath.Join(dir, result.FileJSON))
}
