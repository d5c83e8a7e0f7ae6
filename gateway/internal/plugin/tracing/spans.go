package tracing

import (
	"net"
	"strconv"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// Span is one part of a request's way through the gateway.
type Span struct {
	ID       [8]byte
	Name     string
	From, To time.Time
	Error    string // why it failed; "": it did not
}

// Try is the span of one attempt at a target.
type Try struct {
	Span
	Host, Port string
	Number     int // from 1
	Status     int // 0: there was no answer
}

// newSpan makes a span with an id of its own.
func newSpan(name string, from, to time.Time) Span {
	s := Span{Name: name, From: from, To: to}
	draw(s.ID[:])
	return s
}

// Access is the span of the plugins before the upstream is asked.
func Access(x *plugin.Exchange) Span {
	return newSpan("kong.access", x.Times.Access, x.Times.Accessed)
}

// HeaderFilter is the span of the plugins that see the answer; false: none has.
func HeaderFilter(x *plugin.Exchange) (Span, bool) {
	if x.Times.Filter.IsZero() {
		return Span{}, false
	}
	return newSpan("kong.header_filter", x.Times.Filter, x.Times.Filtered), true
}

// Tries are the spans of the balancer's attempts.
func Tries(x *plugin.Exchange) []Try {
	out := make([]Try, 0, len(x.Tries))
	for i, try := range x.Tries {
		t := Try{Span: newSpan("kong.balancer", try.Started, try.Started.Add(try.Took)), Number: i + 1, Status: try.Status}
		var err error
		if t.Host, t.Port, err = net.SplitHostPort(try.Address); err != nil {
			t.Host, t.Port = try.Address, ""
		}
		if try.Err != nil {
			t.Error, t.Status = try.Err.Error(), 0
		}
		out = append(out, t)
	}
	return out
}

// PortNumber is the port of a try, 0 where it is none.
func (t *Try) PortNumber() int {
	n, err := strconv.Atoi(t.Port)
	if err != nil {
		return 0
	}
	return n
}
