package runner

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"gatelab/harness/internal/drill"
	"gatelab/harness/internal/fault"
	"gatelab/harness/internal/lab"
	"gatelab/harness/internal/load"
	"gatelab/harness/internal/report"
)

// ErrAlerts says that a drill is complete, and that an alert did not do what it
// is for, or that another one fired.
var ErrAlerts = errors.New("not every alert fired and resolved, or another one did")

// DrillOptions say what to try out. Of Options, File, Runtime, Reports, Gateway,
// Harness, Version, Command, Profile and Console count.
type DrillOptions struct {
	Options
	Alerts []string // names; none: all of them
}

// drillScale makes hours of the rules seconds. A range is never shorter than
// five scrapes, 2.5 s.
var drillScale = drill.Scale{Factor: 300, Scrape: 500 * time.Millisecond}

// What a case may take at most. An alert that stays away must not cost more.
const (
	drillFireIn    = 40 * time.Second
	drillResolveIn = 60 * time.Second
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
	drillCut    = lab.GatewayName(2) // has a way to Postgres of its own, and is killed
	drillLookup = lab.GatewayName(3) // asks Postgres for every request, at the end
)

// drilling is a drill under way.
type drilling struct {
	*run
	options  DrillOptions
	stack    *drill.Stack
	outcomes []drill.Outcome
}

// AlertDrill starts the scenario's lab with a Prometheus and an Alertmanager
// beside it, causes the condition of every alert by a real fault, and measures
// how long each takes to fire and to resolve. All of it is always removed. A
// report is written when at least one alert was tried.
func AlertDrill(ctx context.Context, o DrillOptions) (*Outcome, error) {
	o.Chaos = false
	for _, name := range o.Alerts {
		if !slices.ContainsFunc(drill.Plans(), func(p drill.Plan) bool { return p.Alert == name }) {
			return nil, fmt.Errorf("alert %q is not known: want one of alerts/*.rules.yaml", name)
		}
	}
	if err := drill.Installed(); err != nil {
		return nil, err
	}
	r, err := prepare(o.Options)
	if err != nil {
		return nil, err
	}
	d := &drilling{run: r, options: o}
	r.cpu = readCPU()
	r.result = &report.Result{RunID: r.id, Scenario: r.name, Profile: o.Profile, StartedAt: time.Now().UTC(), InvalidReasons: []string{}}
	err = d.inLab(ctx)
	r.result.FinishedAt = time.Now().UTC()
	if len(d.outcomes) == 0 {
		return nil, errors.Join(err, errors.New("no alert was tried"))
	}
	r.result.Drill = drilled(d.outcomes)
	r.manifestHost()
	incomplete(r.result, err)
	dir, werr := r.write()
	if err = errors.Join(err, werr); err != nil {
		return nil, err
	}
	out := &Outcome{Result: r.result, Dir: dir}
	if !r.result.Drill.Passed {
		return out, ErrAlerts
	}
	return out, nil
}

// inLab brings lab and stack up, drills, and takes both down whatever happens.
func (d *drilling) inLab(ctx context.Context) (err error) {
	c, err := d.carry(ctx, carryOptions{})
	if err != nil {
		return err
	}
	d.runtime, d.result.Runtime = c.runtime, c.name
	began := time.Now()
	d.lab = lab.New(c.runtime, lab.Options{Layout: c.layout, Progress: func(string) {}})
	defer func() {
		d.keepLogs(ctx)
		if cerr := d.lab.Close(ctx); cerr != nil {
			err = errors.Join(err, cerr)
			return
		}
		d.Console.Step("lab removed")
	}()
	if err := d.up(ctx); err != nil {
		return err
	}
	d.Console.Step("lab up: %d nodes in %.1f s", len(d.lab.Nodes("")), time.Since(began).Seconds())
	d.manifestRuntime(ctx)
	began = time.Now()
	if d.stack, err = drill.Start(ctx, d.targets(), drillScale, nil); err != nil {
		return err
	}
	defer d.stack.Close()
	d.Console.Step("Prometheus and Alertmanager up (%.1f s): windows and waits of the rules divided by %g, scraped every %s", time.Since(began).Seconds(), drillScale.Factor, drillScale.Scrape)
	return d.drill(ctx)
}

// up starts the nodes, gives one replica its own way to Postgres, and configures
// them.
func (d *drilling) up(ctx context.Context) error {
	if err := d.lab.Apply(ctx, d.topology(false, false)); err != nil {
		return err
	}
	for _, way := range []struct {
		name       string
		port       int
		node       string
		behindPort int
	}{
		{wayPostgres, wayPostgresPort, lab.RolePostgres, lab.PortPostgres},
		{wayOrigin, wayOriginPort, lab.NameOf(lab.RoleOrigin, 2), lab.PortOrigin},
	} {
		if err := d.tellLink(ctx, "/proxies", map[string]any{
			"name": way.name, "listen": d.lab.Addr(lab.RoleLink, way.port), "upstream": d.lab.Addr(way.node, way.behindPort), "enabled": true,
		}); err != nil {
			return fmt.Errorf("make the way %s: %w", way.name, err)
		}
	}
	if err := d.lab.Apply(ctx, d.topology(true, false)); err != nil {
		return err
	}
	worker, ok := d.lab.Node(lab.RoleWorker)
	if !ok {
		return errors.New("the lab has no worker")
	}
	d.worker = load.NewClient("http://" + worker.HostAddr(lab.PortWorker))
	if err := d.setUp(ctx, &d.stages[0], true); err != nil {
		return err
	}
	admin, err := newConfigurator(d.admin())
	if err != nil {
		return err
	}
	if err := admin.apply(ctx, d.pair()); err != nil {
		return err
	}
	return d.agree(ctx, d.lab.Nodes(lab.RoleGateway))
}

// topology is the stage's. cuttable gives one replica its own way to Postgres,
// lookup makes another one ask Postgres for every request.
func (d *drilling) topology(cuttable, lookup bool) lab.Topology {
	t := topology(&d.stages[0])
	t.Worker = append(t.Worker, "--allow-target="+drillLookup)
	t.Settings = map[string]map[string]string{}
	if cuttable {
		t.Settings[drillCut] = map[string]string{"pg_dsn": fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable",
			lab.PostgresUser, lab.PostgresPassword, d.lab.Addr(lab.RoleLink, wayPostgresPort), lab.PostgresDatabase)}
	}
	if lookup {
		t.Settings[drillLookup] = map[string]string{"lookup": "database"}
	}
	return t
}

// pair is a service behind an upstream of two targets, the second through a way
// that can be cut.
func (d *drilling) pair() map[string]any {
	target := func(node string, port int) any { return map[string]any{"target": d.lab.Addr(node, port)} }
	return map[string]any{
		"upstreams": []any{map[string]any{"name": "pair-of-origins", "targets": []any{target(lab.RoleOrigin, lab.PortOrigin), target(lab.RoleLink, wayOriginPort)}}},
		"services": []any{map[string]any{"name": "pair", "url": "http://pair-of-origins/v1/chat", "routes": []any{
			map[string]any{"name": "pair", "paths": []any{"/pair/v1/chat"}, "strip_path": true},
		}}},
	}
}

// admin is the first replica's Admin API.
func (d *drilling) admin() string {
	n, _ := d.lab.Node(lab.GatewayName(1))
	return "http://" + n.HostAddr(lab.PortAdmin)
}

// targets are the gateways' status ports.
func (d *drilling) targets() []drill.Target {
	var out []drill.Target
	for _, n := range d.lab.Nodes(lab.RoleGateway) {
		out = append(out, drill.Target{Job: "gateway", Instance: n.Name(), Addr: n.HostAddr(lab.PortStatus)})
	}
	return out
}

// mostDrill is longer than any drill: the traffic is stopped at its end.
const mostDrill = 30 * time.Minute

// drill loads the lab and tries the cases out.
func (d *drilling) drill(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	steady := d.attack(&d.stages[0], load.Open, 1)
	o := d.stages[0].Load.Open
	steady.Rate, steady.Connections, steady.Timeout, steady.Duration = o.Rate, o.Connections, o.Timeout, mostDrill
	stop := d.load(ctx, steady, cancel)
	defer func() { cancel(nil); stop() }()
	d.Console.Step("%.0f requests a second through the balancer", steady.Rate)
	if err := d.warmUp(ctx); err != nil {
		return err
	}
	first, last := d.cases()
	if err := d.try(ctx, first); err != nil || len(last) == 0 {
		return err
	}
	// Only now: a replica that looks every request up refuses them while a
	// configuration cannot be built.
	if err := d.lab.Apply(ctx, d.topology(true, true)); err != nil {
		return err
	}
	d.Console.Step("%s now asks Postgres for every request", drillLookup)
	return d.try(ctx, last)
}

// try notes what came of cases also where the drill was cancelled.
func (d *drilling) try(ctx context.Context, cases []drill.Case) error {
	outcomes, err := drill.Run(ctx, d.stack, cases, func(line string) { d.Console.Step("%s", line) })
	d.outcomes = append(d.outcomes, outcomes...)
	return err
}

// warmUp lets the cache fill, and the ratio of its hits be seen for the whole of
// the window that the rules compare with.
func (d *drilling) warmUp(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(time.Duration(float64(time.Hour+10*time.Minute) / drillScale.Factor)):
		return nil
	}
}

// load sends an attack until it is stopped. One that ends by itself fails the
// drill: alerts that need traffic would stay away.
func (d *drilling) load(ctx context.Context, a load.Attack, fail context.CancelCauseFunc) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := d.worker.Run(ctx, a, nil); ctx.Err() == nil {
			fail(fmt.Errorf("the drill's traffic ended: %w", errors.Join(err, errors.New("want it to last as long as the drill"))))
		}
	}()
	return func() { cancel(); <-done }
}

// cases are the plans with this lab's faults, in an order in which one does not
// disturb the next: what spends an error budget comes late, for that is seen for
// longest. last needs a replica with lookup=database.
func (d *drilling) cases() (first, last []drill.Case) {
	troubles := d.troubles()
	byCause := map[string]*drill.Case{}
	for _, p := range drill.Plans() {
		if len(d.options.Alerts) > 0 && !slices.Contains(d.options.Alerts, p.Alert) {
			continue
		}
		if c := byCause[p.Cause]; c != nil {
			c.Also, c.Beside = append(c.Also, p.Alert), slices.Concat(c.Beside, p.Beside)
			continue
		}
		byCause[p.Cause] = &drill.Case{Alert: p.Alert, Fault: p.Cause, Beside: p.Beside, FireIn: drillFireIn, ResolveIn: drillResolveIn}
	}
	for _, cause := range drillOrder {
		c := byCause[cause]
		if c == nil {
			continue
		}
		c.Break, c.Mend = troubles[cause].bring, troubles[cause].mend
		if cause == drill.SlowPostgres {
			last = append(last, *c)
			continue
		}
		first = append(first, *c)
	}
	return first, last
}

// drillOrder has every cause of drill.Plans.
var drillOrder = []string{
	drill.LoseJob, drill.KillReplica, drill.FreezeReplicaDB, drill.BadConfiguration, drill.EmptyCacheForGood, drill.FillRedis, drill.StopRedis,
	drill.OriginRefuses, drill.TargetGone, drill.FirstRequestsFail, drill.OriginFails, drill.OriginSlow, drill.SlowPostgres,
}

// drilled is a drill in the report's words.
func drilled(outcomes []drill.Outcome) *report.Drill {
	out := &report.Drill{Passed: true, Factor: drillScale.Factor, ScrapeMS: inMS(drillScale.Scrape), Alerts: []report.DrilledAlert{}}
	for i := range outcomes {
		o := &outcomes[i]
		a := report.DrilledAlert{Name: o.Alert, Cause: o.Fault, Beside: o.Beside, Unexpected: append([]string{}, o.Unexpected...)}
		if o.ToFire > 0 {
			a.FiredAfterMS = ptr(inMS(o.ToFire))
		}
		if o.Err == nil {
			a.ResolvedAfterMS = ptr(inMS(o.ToResolve))
		} else {
			a.Problem = strings.ReplaceAll(o.Err.Error(), "\n", "; ")
		}
		out.Passed = out.Passed && o.OK()
		out.Alerts = append(out.Alerts, a)
	}
	return out
}

// tellLink posts to the link's admin API.
func (d *drilling) tellLink(ctx context.Context, path string, body any) error {
	link, ok := d.lab.Node(lab.RoleLink)
	if !ok {
		return errors.New("the lab has no link: want topology.links to name postgres")
	}
	return sendJSON(ctx, http.MethodPost, "http://"+link.HostAddr(lab.PortLinkAdmin)+path, body)
}

// broken makes a trouble of a fault.
func (d *drilling) broken(s fault.Spec) trouble { return &faultTrouble{lab: faultLab{d.run}, spec: s} }
