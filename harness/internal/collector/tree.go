package collector

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/otlp"
)

// Faults of a trace.
const (
	NoRoot        = "no root"                   // every span has a parent
	SeveralRoots  = "several roots"             // more than one span has none
	MissingParent = "missing parent"            // a span's parent was never received
	ForeignParent = "parent in another trace"   // it was, under another trace id
	Duplicate     = "two spans of one id"       //
	Cycle         = "not below the root"        // spans are each other's parents
	Outside       = "outside of its parent"     // in time
	Backwards     = "ends before it begins"     //
	Unnamed       = "no service name"           //
	NotContinued  = "not continued by a server" // a client had a response, and no server's span is below
)

// How far a span may be outside of its parent in time.
const (
	// withinService is for spans by one clock, read for each span by itself.
	withinService = time.Millisecond
	// betweenServices is for the clocks of two nodes.
	betweenServices = 10 * time.Millisecond
	// afterwards is what a server may do when its client has the response: it logs, and waits for a core.
	afterwards = time.Second
)

// finding is a fault of a trace, and where it is.
type finding struct{ fault, detail string }

// tree is a trace that is checked.
type tree struct {
	spans    []otlp.Span
	at       map[otlp.SpanID]int // index of the first span with an id
	depth    []int               // from the root; -1: not below it
	root     *otlp.Span          // nil: there is none, or several
	findings []finding
}

// check looks at the spans of a trace. elsewhere knows spans of other traces.
func check(spans []otlp.Span, elsewhere func(otlp.SpanID) (otlp.TraceID, bool)) *tree {
	t := &tree{spans: spans, at: make(map[otlp.SpanID]int, len(spans)), depth: make([]int, len(spans))}
	for i := range spans {
		if _, twice := t.at[spans[i].ID]; twice {
			t.find(Duplicate, &spans[i], "its id %s is that of another one", spans[i].ID)
			continue
		}
		t.at[spans[i].ID] = i
	}
	t.findRoot()
	for i := range spans {
		t.checkSpan(&spans[i], elsewhere)
	}
	t.findDepths()
	t.checkContinued()
	return t
}

func (t *tree) find(fault string, s *otlp.Span, format string, args ...any) {
	detail := fmt.Sprintf("%s of %s: ", s.Name, named(s.Service)) + fmt.Sprintf(format, args...)
	t.findings = append(t.findings, finding{fault, detail})
}

func named(service string) string {
	if service == "" {
		return "a service without a name"
	}
	return service
}

func (t *tree) findRoot() {
	var roots []*otlp.Span
	for i := range t.spans {
		if t.spans[i].Parent == (otlp.SpanID{}) {
			roots = append(roots, &t.spans[i])
		}
	}
	switch len(roots) {
	case 0:
		t.find(NoRoot, &t.spans[0], "it and all others have a parent")
	case 1:
		t.root = roots[0]
	default:
		t.find(SeveralRoots, roots[1], "it has no parent, as %s of %s has none", roots[0].Name, named(roots[0].Service))
	}
}

// checkSpan looks at a span beside its parent.
func (t *tree) checkSpan(s *otlp.Span, elsewhere func(otlp.SpanID) (otlp.TraceID, bool)) {
	if s.Service == "" {
		t.find(Unnamed, s, "want the resource's attribute service.name")
	}
	if s.End.Before(s.Start) {
		t.find(Backwards, s, "by %s", s.Start.Sub(s.End))
	}
	if s.Parent == (otlp.SpanID{}) {
		return
	}
	i, known := t.at[s.Parent]
	if !known {
		if other, found := elsewhere(s.Parent); found {
			t.find(ForeignParent, s, "its parent %s is in the trace %s", s.Parent, other)
			return
		}
		t.find(MissingParent, s, "its parent %s was not received", s.Parent)
		return
	}
	t.checkTimes(s, &t.spans[i])
}

// checkTimes wants a span within its parent p. A server in another service may go on after its client has the response.
func (t *tree) checkTimes(s, p *otlp.Span) {
	off, over := withinService, withinService
	if s.Service != p.Service {
		off, over = betweenServices, afterwards
	}
	above := fmt.Sprintf("%s of %s", p.Name, named(p.Service))
	switch {
	case s.Start.Before(p.Start.Add(-off)):
		t.find(Outside, s, "begins %s before %s", p.Start.Sub(s.Start), above)
	case s.Start.After(p.End.Add(off)):
		t.find(Outside, s, "begins %s after the end of %s", s.Start.Sub(p.End), above)
	case s.End.After(p.End.Add(over)):
		t.find(Outside, s, "ends %s after %s", s.End.Sub(p.End), above)
	}
}

// findDepths is how far each span is from the root. Spans that are each other's parents have no way to it.
func (t *tree) findDepths() {
	for i := range t.spans {
		t.depth[i] = -1
		at, steps := i, 0
		for steps <= len(t.spans) && t.spans[at].Parent != (otlp.SpanID{}) {
			above, known := t.at[t.spans[at].Parent]
			if !known {
				break // said by checkSpan
			}
			at, steps = above, steps+1
		}
		if steps > len(t.spans) {
			t.find(Cycle, &t.spans[i], "it is above itself")
			return
		}
		if t.spans[at].Parent == (otlp.SpanID{}) {
			t.depth[i] = steps
		}
	}
}

// checkContinued wants of every client that had a response a server's span of another service: below it, or beside it, as Kong's
// balancer has the span of the request for the parent of what it calls.
func (t *tree) checkContinued() {
	served := map[otlp.SpanID]bool{} // parents of servers' spans
	for i := range t.spans {
		s := &t.spans[i]
		above, known := t.at[s.Parent]
		if s.Kind == otlp.Server && known && t.spans[above].Service != s.Service {
			served[s.Parent] = true
		}
	}
	for i := range t.spans {
		s := &t.spans[i]
		if s.Kind != otlp.Client || s.Status == 0 || s.Failed || served[s.ID] {
			continue
		}
		if s.Parent != (otlp.SpanID{}) && served[s.Parent] {
			continue
		}
		t.find(NotContinued, s, "it had a response with the status %d", s.Status)
	}
}

// path is the services of the trace in the order in which it came to them: "worker > gateway > origin".
func (t *tree) path() string {
	type first struct {
		service string
		depth   int
	}
	var order []first
	for i := range t.spans {
		if t.depth[i] < 0 {
			continue
		}
		at := slices.IndexFunc(order, func(f first) bool { return f.service == t.spans[i].Service })
		if at < 0 {
			order = append(order, first{t.spans[i].Service, t.depth[i]})
		} else {
			order[at].depth = min(order[at].depth, t.depth[i])
		}
	}
	slices.SortStableFunc(order, func(a, b first) int { return a.depth - b.depth })
	names := make([]string, len(order))
	for i, f := range order {
		names[i] = named(f.service)
	}
	return strings.Join(names, " > ")
}
