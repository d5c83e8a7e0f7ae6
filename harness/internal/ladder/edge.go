package ladder

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/load"
	"github.com/gatelab/gatelab/harness/internal/stage"
)

// countryHeader tells the edge of the lab what Cloudflare's edge knows of a
// client's address. The gateways get it from the edge only.
const countryHeader = "CF-IPCountry"

// edgeRound attacks a stage with an edge once: every country over its
// direct way, then every country over the edge, one after the other and at the
// same rate, with the same requests.
func (l *rung) edgeRound(ctx context.Context, round int) error {
	for _, over := range []bool{false, true} {
		if over {
			if err := l.warmEdge(ctx, round); err != nil {
				return err
			}
		}
		for i := range l.stage.Edge.Countries {
			a, label := l.countryAttack(i, round, over)
			l.session.Step("%s: %s", l.stage.Name, label)
			got, err := l.unspoiled(ctx, a, nil)
			if err != nil {
				return err
			}
			got.Round, got.Label = round, label
			if over {
				l.found.Open = append(l.found.Open, got)
			} else {
				l.found.Direct = append(l.found.Direct, got)
			}
		}
	}
	return nil
}

// countryAttack is the open attack of the i-th country, directly or over the
// edge.
func (l *rung) countryAttack(i, round int, over bool) (load.Attack, string) {
	c := l.stage.Edge.Countries[i]
	direct, edge := stage.Topology(l.stage).Ways(l.session.Lab.Layout(), i)
	a := stage.Workload(l.session, l.stage, load.Open, round)
	a.Rate *= c.Share
	a.Target = "http://" + direct
	label := c.Name + " direct"
	if over {
		a.Target = "http://" + edge
		label = c.Name + " over the edge"
		for i := range a.Requests {
			header := map[string]string{} // the scenario's own are not changed
			maps.Copy(header, a.Requests[i].Header)
			header[countryHeader] = c.Code
			a.Requests[i].Header = header
		}
	}
	a.ID += "-" + strings.ReplaceAll(label, " ", "-")
	return a, label
}

// warmConnections keep an edge busy while it is made warm.
const warmConnections = 32

// warmEdge sends requests that are not measured, for as long as an attack's
// warm-up for each country: a JavaScript engine that has just started
// interprets, and takes several times as long for a request as one that has
// run for a minute, as an edge's has.
func (l *rung) warmEdge(ctx context.Context, round int) error {
	for i := range l.stage.Edge.Countries {
		a, label := l.countryAttack(i, round, true)
		a.ID += "-warm"
		a.Model, a.Connections = load.Closed, warmConnections
		a.Rate, a.Warmup = 0, 0
		if a.Duration = l.stage.Load.Open.Warmup; a.Duration == 0 {
			return nil
		}
		if _, err := l.session.Send(ctx, l.stage.Name, a); err != nil {
			return fmt.Errorf("warm %s: %w", label, err)
		}
	}
	return nil
}
