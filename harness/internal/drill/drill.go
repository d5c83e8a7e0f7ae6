// Package drill causes the condition of every alert by a real fault in a loaded lab, with a real Prometheus and Alertmanager beside it, and
// measures how long each alert takes to fire and to resolve, and what else fires.
package drill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gatelab/gatelab/harness/internal/alerting"
	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/jsonhttp"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/harness/internal/session"
	"github.com/gatelab/gatelab/harness/internal/stage"
	"github.com/gatelab/gatelab/harness/internal/sut"
	"github.com/gatelab/gatelab/harness/internal/topology"
	"github.com/gatelab/gatelab/internal/suggest"
)

// ErrAlerts says that a drill is complete, and that an alert did not fire or resolve, or that another one fired.
var ErrAlerts = errors.New("not every alert fired and resolved, or another one did")

// Name is the drill's in commands and reports; File is its scenario, in the folder of the experiments.
const (
	Name = "alert-drill"
	File = Name + ".yaml"
)

// Options say what to try.
type Options struct {
	session.Config
	File   string   // the scenario, of one stage
	Alerts []string // names; none: all of them
}

// scale makes hours of the rules seconds. A range is never shorter than
// five scrapes, 2.5 s.
var scale = alerting.Scale{Factor: 300, Scrape: 500 * time.Millisecond}

// What a case may take at most. An alert that stays away must not cost more.
const (
	fireWithin    = 40 * time.Second
	resolveWithin = 60 * time.Second
)

// Ways of the drill's own through the link, by their names in its admin API, and
// where the link listens for them. One that is disabled refuses connections on
// every runtime; a container that is gone lets them time out.
const (
	wayPostgres, wayPostgresPort = "postgres-of-one-replica", 15999
	wayOrigin, wayOriginPort     = "second-of-two-targets", 15998
)

// Replicas with a part of their own.
var (
	cutReplica    = topology.GatewayName(2) // has a way to Postgres of its own, and is killed
	lookupReplica = topology.GatewayName(3) // asks Postgres for every request, at the end
)

// drill is a drill under way.
type drill struct {
	session  *session.Session
	options  Options
	name     string // of the run
	stage    *scenario.Stage
	stack    *alerting.Stack
	outcomes []alerting.Outcome
}

// Run drills every alert, or those that were asked for. Lab, Prometheus and Alertmanager are always removed. A report is written if at
// least one alert was tried; the error is ErrAlerts if the report says that one failed.
func Run(ctx context.Context, o Options) (*session.Outcome, error) {
	d, err := newDrill(o)
	if err != nil {
		return nil, err
	}
	if err := alerting.Installed(); err != nil {
		return nil, err
	}
	out, err := session.Run(ctx, o.Config, session.Plan{
		Name: d.name, Topology: d.topology(false, false), Seed: d.stage.Seed,
	}, session.Program{Measure: d.measure, Complete: d.complete})
	if out != nil && !out.Result.Drill.Passed {
		return out, ErrAlerts
	}
	return out, err
}

func newDrill(o Options) (*drill, error) {
	if err := checkAlerts(o.Alerts); err != nil {
		return nil, err
	}
	plan, err := stage.Load(o.File, o.Profile)
	if err != nil {
		return nil, err
	}
	plan.Staff(o.Config)
	return &drill{options: o, name: plan.Name, stage: &plan.Stages[0]}, nil
}

// checkAlerts refuses names of alerts that do not exist.
func checkAlerts(names []string) error {
	var known []string
	for _, p := range alerting.Plans() {
		if !slices.Contains(known, p.Alert) {
			known = append(known, p.Alert)
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return suggest.Unknown("alert", name, known)
		}
	}
	return nil
}

// measure configures the lab, starts Prometheus and Alertmanager beside it, loads it, and tries every case.
func (d *drill) measure(ctx context.Context, s *session.Session) (err error) {
	d.session = s
	defer s.Stage(d.stage.Name)()
	if err := d.prepare(ctx); err != nil {
		return err
	}
	began := time.Now()
	if d.stack, err = alerting.Start(ctx, d.targets(), scale, nil); err != nil {
		return err
	}
	defer d.stack.Close()
	s.Step("Prometheus and Alertmanager up (%.1f s): windows and waits of the rules divided by %g, scraped every %s",
		time.Since(began).Seconds(), scale.Factor, scale.Scrape)
	return d.tryAll(ctx)
}

// complete puts the alerts into the result.
func (d *drill) complete(s *session.Session) error {
	if len(d.outcomes) == 0 {
		return errors.New("no alert was tried")
	}
	s.Result.Drill = reportOf(d.outcomes)
	return nil
}

// prepare gives one replica its own way to Postgres, and configures the gateways.
func (d *drill) prepare(ctx context.Context) error {
	for _, p := range []struct {
		name   string
		port   int // of the link
		node   string
		behind int // port of the node
	}{
		{name: wayPostgres, port: wayPostgresPort, node: topology.RolePostgres, behind: topology.PortPostgres},
		{name: wayOrigin, port: wayOriginPort, node: topology.NameOf(topology.RoleOrigin, 2), behind: topology.PortOrigin},
	} {
		if err := d.tellLink(ctx, "/proxies", map[string]any{
			"name": p.name, "listen": d.session.Lab.Addr(topology.RoleLink, p.port),
			"upstream": d.session.Lab.Addr(p.node, p.behind), "enabled": true,
		}); err != nil {
			return fmt.Errorf("make the proxy %s: %w", p.name, err)
		}
	}
	if err := topology.Apply(ctx, d.session.Lab, d.topology(true, false)); err != nil {
		return err
	}
	if _, err := stage.SetUp(ctx, d.session, d.stage, true); err != nil {
		return err
	}
	return sut.Gatelab{Lab: d.session.Lab}.Configure(ctx, d.pair())
}

// topology is the stage's. cuttable gives one replica its own way to Postgres,
// lookup makes another one ask Postgres for every request.
func (d *drill) topology(cuttable, lookup bool) topology.Topology {
	t := stage.Topology(d.stage)
	t.Worker = append(t.Worker, "--allow-target="+lookupReplica)
	t.Settings = map[string]map[string]string{}
	if cuttable {
		t.Settings[cutReplica] = map[string]string{
			"pg_dsn": sut.DSN(d.session.Lab.Addr(topology.RoleLink, wayPostgresPort), lab.PostgresDatabase),
		}
	}
	if lookup {
		t.Settings[lookupReplica] = map[string]string{"lookup": "database"}
	}
	return t
}

// pair is a service behind an upstream of two targets, the second through a way
// that can be cut.
func (d *drill) pair() map[string]any {
	target := func(node string, port int) any { return map[string]any{"target": d.session.Lab.Addr(node, port)} }
	return map[string]any{
		"upstreams": []any{map[string]any{"name": "pair-of-origins", "targets": []any{
			target(topology.RoleOrigin, topology.PortOrigin), target(topology.RoleLink, wayOriginPort),
		}}},
		"services": []any{map[string]any{"name": "pair", "url": "http://pair-of-origins/v1/chat", "routes": []any{
			map[string]any{"name": "pair", "paths": []any{"/pair/v1/chat"}, "strip_path": true},
		}}},
	}
}

// admin is the first replica's Admin API.
func (d *drill) admin() string {
	n, _ := d.session.Lab.Node(topology.GatewayName(1))
	return "http://" + n.HostAddr(topology.PortAdmin)
}

// targets are the gateways' status ports.
func (d *drill) targets() []alerting.Target {
	var out []alerting.Target
	for _, n := range d.session.Lab.Nodes(topology.RoleGateway) {
		out = append(out, alerting.Target{Job: "gateway", Instance: n.Name(), Addr: n.HostAddr(topology.PortStatus)})
	}
	return out
}

// longestDrill is longer than any drill: the traffic is stopped at its end.
const longestDrill = 30 * time.Minute

// tryAll loads the lab and tries the cases.
func (d *drill) tryAll(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	steady := stage.Workload(d.session, d.stage, load.Open, 1)
	steady.Warmup, steady.Duration = 0, longestDrill
	stop := d.load(ctx, steady, cancel)
	defer func() { cancel(nil); stop() }()
	d.session.Step("%.0f requests/s through the balancer", steady.Rate)
	if err := d.warmUp(ctx); err != nil {
		return err
	}
	first, last := d.cases()
	if err := d.try(ctx, first); err != nil || len(last) == 0 {
		return err
	}
	// Only now: a replica that looks every request up refuses them while a
	// configuration cannot be built.
	if err := topology.Apply(ctx, d.session.Lab, d.topology(true, true)); err != nil {
		return err
	}
	d.session.Step("%s now asks Postgres for every request", lookupReplica)
	return d.try(ctx, last)
}

// try notes what came of cases also where the drill was cancelled.
func (d *drill) try(ctx context.Context, cases []alerting.Case) error {
	outcomes, err := alerting.Run(ctx, d.stack, cases, func(line string) { d.session.Verdict("%s", line) })
	d.outcomes = append(d.outcomes, outcomes...)
	return err
}

// warmUp lets the cache fill, and the ratio of its hits be seen for the whole of
// the window that the rules compare with.
func (d *drill) warmUp(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(time.Duration(float64(time.Hour+10*time.Minute) / scale.Factor)):
		return nil
	}
}

// load sends an attack until it is stopped. One that ends by itself fails the
// drill: alerts that need traffic would stay away.
func (d *drill) load(ctx context.Context, a load.Attack, fail context.CancelCauseFunc) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := d.session.Send(ctx, d.stage.Name, a); ctx.Err() == nil {
			fail(fmt.Errorf("the drill's traffic ended: %w", errors.Join(err, errors.New("want it to last as long as the drill"))))
		}
	}()
	return func() { cancel(); <-done }
}

// tellLink posts to the link's admin API.
func (d *drill) tellLink(ctx context.Context, path string, body any) error {
	link, ok := d.session.Lab.Node(topology.RoleLink)
	if !ok {
		return errors.New("the lab has no link: want topology.links to name postgres")
	}
	return jsonhttp.Send(ctx, http.MethodPost, "http://"+link.HostAddr(topology.PortLinkAdmin)+path, body, nil)
}

// disrupt makes a disruption of a fault.
func (d *drill) disrupt(s fault.Spec) disruption {
	return &faultDisruption{lab: fault.NewLab(d.session.Lab), spec: s}
}
