package slo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gatelab/gatelab/internal/suggest"
)

// At is the objective of a metric with a limit that is met as well: at most, or at least where more is better.
func At(metric, name string, limit float64) Objective {
	op := "<="
	if m := metricOf(metric); m != nil && m.higher {
		op = ">="
	}
	return Objective{Metric: metric, Of: name, Op: op, Limit: limit}
}

// Unit is that of the limit and of measured values.
func (o Objective) Unit() Unit {
	if m := metricOf(o.Metric); m != nil {
		return m.unit
	}
	return ""
}

// Higher says whether more is better.
func (o Objective) Higher() bool {
	m := metricOf(o.Metric)
	return m != nil && m.higher
}

// Example is a limit of the objective's metric.
func (o Objective) Example() string {
	if m := metricOf(o.Metric); m != nil {
		return m.example()
	}
	return ""
}

// Met says whether a measured value meets the objective.
func (o Objective) Met(v float64) bool {
	switch o.Op {
	case "<":
		return v < o.Limit
	case "<=":
		return v <= o.Limit
	case ">":
		return v > o.Limit
	}
	return v >= o.Limit
}

// String is the objective as Parse reads it.
func (o Objective) String() string { return o.subject() + o.Op + o.Unit().Format(o.Limit) }

// subject is what the objective is about: p99{login}.
func (o Objective) subject() string {
	if o.Of == "" {
		return o.Metric
	}
	return o.Metric + "{" + o.Of + "}"
}

// Format is a limit or a value with its unit, as Parse reads it.
func (u Unit) Format(v float64) string {
	switch u {
	case Milliseconds:
		return span(v)
	case Microseconds:
		return span(v / 1000)
	case Share:
		return decimal(v*100) + "%"
	case MiB:
		if v >= 1<<10 {
			return decimal(v/(1<<10)) + "GiB"
		}
		return decimal(v) + "MiB"
	}
	return decimal(v)
}

// span is a number of milliseconds with the unit that fits.
func span(ms float64) string {
	switch {
	case ms >= 1000:
		return decimal(ms/1000) + "s"
	case ms >= 1 || ms == 0:
		return decimal(ms) + "ms"
	}
	return decimal(ms*1000) + "us"
}

// decimal is a number without what binary fractions add: 7% is 7, and not 7.000000000000001.
func decimal(v float64) string {
	text := strconv.FormatFloat(v, 'f', 6, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// String is the objectives as Parse reads them.
func (all Objectives) String() string {
	parts := make([]string, len(all))
	for i, o := range all {
		parts[i] = o.String()
	}
	return strings.Join(parts, ",")
}

func (all Objectives) has(metric, name string) bool {
	return slices.ContainsFunc(all, func(o Objective) bool { return o.Metric == metric && o.Of == name })
}

// Limit is the limit of a metric of all requests; not ok if none is asked for.
func (all Objectives) Limit(metric string) (limit float64, ok bool) {
	for _, o := range all {
		if o.Metric == metric && o.Of == "" {
			return o.Limit, true
		}
	}
	return 0, false
}

// Requests are the names of requests whose latency is asked for by itself, each once.
func (all Objectives) Requests() []string {
	var out []string
	for _, o := range all {
		if o.Of != "" && o.Unit() == Milliseconds && !slices.Contains(out, o.Of) {
			out = append(out, o.Of)
		}
	}
	return out
}

// Check refuses the first objective of a request that is not one of requests, or of a node that has none of the roles. A node's name
// begins with its role, as gateway-2.
func (all Objectives) Check(requests, roles []string) error {
	for _, o := range all {
		m := metricOf(o.Metric)
		if o.Of == "" || m == nil {
			continue
		}
		what, name := "request", o.Of
		known := requests
		if m.of == ofNode {
			what, known = "role of nodes", roles
			if o.Metric == Memory {
				name, _, _ = strings.Cut(o.Of, "-")
			}
		}
		if !slices.Contains(known, name) {
			return fmt.Errorf("slo: %q is not allowed: %w", o.String(), suggest.Unknown(what, o.Of, known))
		}
	}
	return nil
}
