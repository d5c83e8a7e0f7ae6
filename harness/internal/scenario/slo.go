package scenario

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/slo"
)

// nodeRoles are the roles of a lab's nodes.
var nodeRoles = []string{"gateway", "lb", "postgres", "redis", "origin", "worker", "link", "edge", "collector"}

// wantObjectives is what slo may be.
const wantObjectives = "objectives, as in p99<250ms, errors<2%"

// objectives takes a text of objectives, a list of them, or a map from what they are about to their limits.
func (d *decoder) objectives(out *slo.Objectives) target {
	return func(path string, n *node) {
		if d.describe(Field{Kind: kindObjectives, Allowed: wantObjectives}) {
			return
		}
		*out = nil
		switch n.kind {
		case text:
			d.objectiveText(path, n, out)
		case list:
			d.items(func(p string, n *node) {
				if n.kind != text {
					d.refuse(n, p, wantObjectives)
					return
				}
				d.objectiveText(p, n, out)
			})(path, n)
		case mapping:
			for _, e := range n.entries {
				d.limit(join(path, e.key), e.key, e.value, out)
			}
		case null:
		default:
			d.refuse(n, path, wantObjectives+", a list of them, or a map of limits, as in {p99: 250ms, errors: 2%}")
		}
	}
}

func (d *decoder) objectiveText(path string, n *node, out *slo.Objectives) {
	given, _ := n.scalar()
	all, err := slo.Parse(given)
	if err != nil {
		var wrong *slo.Error
		if errors.As(err, &wrong) {
			d.wrong(n, path, "%q is not allowed: column %d of the text: %s", wrong.Text, wrong.Column, wrong.Message)
		}
		return
	}
	for _, o := range all {
		if asked(*out, o) {
			d.wrong(n, path, "%q is not allowed: there is an objective of the same already", o.String())
			continue
		}
		*out = append(*out, o)
	}
}

// asked says whether there is an objective of the same already.
func asked(all slo.Objectives, like slo.Objective) bool {
	return slices.ContainsFunc(all, func(o slo.Objective) bool { return o.Metric == like.Metric && o.Of == like.Of })
}

// limit takes an entry of a map: p99: 250ms, error_rate: 0.02, p99{login}: "<250ms". Without a comparison the limit may be reached; 0 asks
// nothing.
func (d *decoder) limit(path, key string, n *node, out *slo.Objectives) {
	about, err := slo.Subject(key)
	var wrong *slo.Error
	if errors.As(err, &wrong) {
		d.wrong(n, path, "%s", wrong.Message)
		return
	}
	given, ok := n.scalar()
	switch {
	case !ok || n.kind == boolean:
		d.refuse(n, path, "a limit, as in "+about.Example())
		return
	case given == "0" || given == "0s":
		return
	}
	var o slo.Objective
	if share, isNumber := n.number(); isNumber && about.Unit() == slo.Share && share >= 0 && share <= 1 {
		o = slo.At(about.Metric, about.Of, share)
	} else {
		if !strings.ContainsAny(given, "<>=") {
			given = slo.At(about.Metric, about.Of, 0).Op + given
		}
		all, err := slo.Parse(key + given)
		if errors.As(err, &wrong) {
			d.wrong(n, path, "%s", wrong.Message)
			return
		}
		o = all[0]
	}
	if asked(*out, o) {
		d.wrong(n, path, "is there under another name already")
		return
	}
	*out = append(*out, o)
}

// number is a number's value.
func (n *node) number() (float64, bool) {
	switch v := n.value.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// checkObjectives refuses objectives of what the stage does not have.
func (d *decoder) checkObjectives(n *node, s *Stage) {
	at := n.field("slo")
	if at == nil {
		return
	}
	if err := s.CheckObjectives(s.SLO); err != nil {
		d.wrong(at, "slo", "%s", strings.TrimPrefix(err.Error(), "slo: "))
	}
}

// CheckObjectives refuses the first objective of what the stage does not have: a request, a role of nodes, a probe.
func (s *Stage) CheckObjectives(all slo.Objectives) error {
	names := make([]string, len(s.Workload.Requests))
	for i, r := range s.Workload.Requests {
		names[i] = r.Name
	}
	if err := all.Check(names, nodeRoles); err != nil {
		return err
	}
	if limit, ok := all.Limit(slo.Availability); ok && s.Load.Probe.Rate == 0 {
		o := slo.At(slo.Availability, "", limit)
		return fmt.Errorf("slo: %q is not allowed: no probe measures it: want load.probe.rate above 0", o.String())
	}
	return nil
}
