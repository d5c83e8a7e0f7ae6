package scenario

import (
	"fmt"
	"slices"
	"time"

	"github.com/gatelab/gatelab/harness/internal/slo"
)

// Ways in which the requests of an open-loop attack follow each other.
const (
	ArrivalsEven    = "even"
	ArrivalsPoisson = "poisson"
)

// Segment is a piece of an open-loop attack's shape.
type Segment struct {
	Name  string         // in the report
	For   time.Duration  // how long it lasts
	Level float64        // the rate with which it begins, as a multiple of the attack's rate
	To    float64        // the rate with which it ends, likewise; Level where the file says nothing
	SLO   slo.Objectives // what is due in it should meet, beside the stage's own
}

// maxLevel is the highest multiple of a rate. With a rate of 1 levels are requests per second.
const maxLevel = 200_000

func (d *decoder) segment(path string, n *node, out *Open) {
	s := Segment{}
	d.object(path, n, fields{
		"name":  d.match(&s.Name, namePattern, wantName),
		"for":   d.duration(&s.For, 100*time.Millisecond, hour),
		"level": d.number(&s.Level, maxLevel),
		"to":    d.number(&s.To, maxLevel),
		"slo":   d.objectives(&s.SLO),
	})
	d.require(path, n, "for", "level")
	if n.field("to") == nil {
		s.To = s.Level
	}
	if s.Name == "" {
		s.Name = fmt.Sprintf("segment-%d", len(out.Shape)+1)
	}
	if slices.ContainsFunc(out.Shape, func(o Segment) bool { return o.Name == s.Name }) {
		d.refuse(n.field("name"), join(path, "name"), "a name that no other segment has")
	}
	out.Shape = append(out.Shape, s)
}

// segmentMetrics are what can be told of a segment by itself.
var segmentMetrics = []string{slo.P50, slo.P90, slo.P95, slo.P99, slo.P999, slo.Max, slo.Mean, slo.Errors, slo.QPS}

// checkShape sees to it that the segments make the attack, at rates that can be sent.
func (d *decoder) checkShape(open *node, o *Open) {
	shape := open.field("shape")
	if shape == nil || shape.kind != list || len(shape.items) != len(o.Shape) {
		return
	}
	if len(o.Shape) == 0 {
		d.wrong(shape, "load.open.shape", "an empty list is not allowed: want one segment or more, or no shape")
		return
	}
	var length time.Duration
	var most float64
	for i, s := range o.Shape {
		length += s.For
		most = max(most, s.Level, s.To)
		path := fmt.Sprintf("load.open.shape[%d].slo", i)
		for _, one := range s.SLO {
			if one.Of != "" || !slices.Contains(segmentMetrics, one.Metric) {
				d.wrong(shape.items[i].field("slo"), path, "%q is not allowed in a segment: want objectives of p50 to p99.9, max, mean, errors or"+
					" qps, of all requests", one.String())
			}
		}
	}
	switch {
	case length != o.Duration:
		d.wrong(shape, "load.open.shape", "segments of %s together are not allowed: want those of load.open.duration, %s", length, o.Duration)
	case most == 0:
		d.wrong(shape, "load.open.shape", "levels of 0 alone are not allowed: want one above 0")
	case most*max(o.Rate, o.MaxRate) > maxLevel:
		d.wrong(shape, "load.open.shape", "a level of %v at %v requests/s is not allowed: want at most %d requests/s together", most,
			max(o.Rate, o.MaxRate), maxLevel)
	}
}

// Shaped says whether the attack's rate changes over time, by its shape or by chance.
func (o *Open) Shaped() bool { return len(o.Shape) > 0 || o.Arrivals == ArrivalsPoisson }
