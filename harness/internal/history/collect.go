package history

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/gate"
	"github.com/gatelab/gatelab/harness/internal/result"
)

// load is how a point was loaded. Zero is not known.
type load struct {
	offered, connections float64
	replicas             float64
}

// collector sorts the figures of runs by what may be compared.
type collector struct {
	history *History
	values  map[Key]map[string][]Point
}

func (c *collector) add(r *result.Result) {
	own := ownArm(r)
	for i := range r.Stages {
		s := &r.Stages[i]
		switch arm := armOf(r, s.Name); {
		case arm != "" && arm != own:
			// The base is a build of another commit than the manifest's, and it is in the
			// history already, as the head of its own gate.
			c.history.Left.OtherArms++
		case !s.Valid:
			c.history.Left.Invalid++
		default:
			l := load{offered: valueOr0(s.Load.OfferedQPS), replicas: float64(s.Replicas)}
			if s.Load.Connections != nil {
				l.connections = float64(*s.Load.Connections)
			}
			c.put(r, s.Name, Point{load: l}, figuresOf(s))
		}
	}
	if r.Matrix == nil {
		return
	}
	versions := map[string]string{}
	for _, arm := range r.Matrix.Arms {
		versions[arm.Name] = arm.Version
	}
	for i := range r.Matrix.Rows {
		row := &r.Matrix.Rows[i]
		for j := range row.Cells {
			cell := &row.Cells[j]
			name := row.Policy + "/" + cell.Arm
			switch arm := armOf(r, name); {
			case arm != "" && arm != own:
				c.history.Left.OtherArms++
			case cell.Outcome == result.CellMeasured:
				p := Point{load: load{offered: row.OfferedQPS}, Version: versions[cell.Arm]}
				c.put(r, name, p, figuresOfCell(cell))
			case cell.Outcome == result.CellInvalid:
				c.history.Left.Invalid++
			default:
				c.history.Left.Unmeasured++
			}
		}
	}
}

// ownArm is the arm of a gate that is the history's: its head, or, of a gate
// against a recorded baseline, the only build that was measured.
func ownArm(r *result.Result) string {
	for i := range r.Stages {
		if armOf(r, r.Stages[i].Name) == gate.Head {
			return gate.Head
		}
	}
	if r.Matrix != nil && slices.ContainsFunc(r.Matrix.Arms, func(a result.MatrixArm) bool { return a.Name == gate.Head }) {
		return gate.Head
	}
	return gate.Base
}

// put adds a point for each figure; p has what the result does not say.
func (c *collector) put(r *result.Result, stage string, p Point, figures map[string]float64) {
	m := &r.Manifest
	key := Key{Scenario: r.Scenario, Profile: r.Profile, Runtime: r.Runtime, Stage: stage, Machine: machineOf(m)}
	p.At, p.RunID = r.StartedAt, r.RunID
	p.Commit, p.Dirty = m.Commit, m.Dirty != nil && *m.Dirty
	p.run = r
	if c.values[key] == nil {
		c.values[key] = map[string][]Point{}
	}
	for metric, v := range figures {
		p.Value = v
		c.values[key][metric] = append(c.values[key][metric], p)
	}
}

// machineOf is what figures depend on most. Runs of different machines are never
// in one series.
func machineOf(m *result.Manifest) string {
	if m.Cores == 0 && m.CPUModel == "" {
		return "an unknown machine"
	}
	return fmt.Sprintf("%d x %s", m.Cores, cmp.Or(m.CPUModel, "unknown CPU"))
}

// group makes groups of at most so many of the newest points.
func (c *collector) group(last int) {
	machines := map[string]bool{}
	for key, values := range c.values {
		g := Group{Key: key, Notes: []string{}}
		var all []Point
		for _, m := range Metrics() {
			points := values[m.Name]
			if len(points) == 0 {
				continue
			}
			slices.SortFunc(points, func(a, b Point) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.RunID, b.RunID)) })
			points = points[max(0, len(points)-last):]
			all = append(all, points...)
			g.Series = append(g.Series, Series{Metric: m, Points: points})
		}
		if len(g.Series) == 0 {
			continue
		}
		g.Notes = append(g.Notes, loadNotes(all)...)
		c.history.Groups = append(c.history.Groups, g)
		machines[key.Machine] = true
	}
	slices.SortFunc(c.history.Groups, func(a, b Group) int {
		return cmp.Or(
			cmp.Compare(a.Scenario, b.Scenario), cmp.Compare(a.Profile, b.Profile), cmp.Compare(a.Runtime, b.Runtime),
			cmp.Compare(a.Machine, b.Machine), cmp.Compare(a.Stage, b.Stage),
		)
	})
	c.history.noteMachines(len(machines))
}

// noteMachines tells a group that the same runs on another machine are apart.
func (h *History) noteMachines(machines int) {
	if machines < 2 {
		return
	}
	count := map[Key]int{}
	for _, g := range h.Groups {
		k := g.Key
		k.Machine = ""
		count[k]++
	}
	for i := range h.Groups {
		k := h.Groups[i].Key
		k.Machine = ""
		if n := count[k]; n > 1 {
			note := fmt.Sprintf("split by machine: this stage was measured on %d machines, and each has series of its own", n)
			h.Groups[i].Notes = append(h.Groups[i].Notes, note)
		}
	}
}

// loadNotes say in what the load of the points differs by more than 2%: a change
// of a figure may be one of the load.
func loadNotes(points []Point) (out []string) {
	for _, f := range []struct {
		name string
		of   func(load) float64
	}{
		{"the offered rate", func(l load) float64 { return l.offered }},
		{"the number of connections", func(l load) float64 { return l.connections }},
		{"the number of replicas", func(l load) float64 { return l.replicas }},
	} {
		least, most := f.of(points[0].load), f.of(points[0].load)
		for _, p := range points {
			least, most = min(least, f.of(p.load)), max(most, f.of(p.load))
		}
		if most > least*1.02 {
			out = append(out, fmt.Sprintf("%s is not the same in all runs: %s to %s", f.name, figure.Rounded(least), figure.Rounded(most)))
		}
	}
	return out
}

func valueOr0(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}
