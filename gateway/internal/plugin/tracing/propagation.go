// Package tracing is what the tracing plugins have in common: the trace that a
// request belongs to, in the header fields of several formats, and its spans.
package tracing

import (
	"encoding/binary"
	"encoding/hex"
	mathrand "math/rand/v2"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// The values of header_type: the formats of a trace in a request's header.
const (
	Preserve = "preserve" // as the request has it
	Ignore   = "ignore"   // the request's is not read
	B3       = "b3"
	B3Single = "b3-single"
	W3C      = "w3c"
	Jaeger   = "jaeger"
	OT       = "ot"
)

// Trace is what is known of a request's trace.
type Trace struct {
	ID     [16]byte
	Span   [8]byte // of the request in the gateway
	Parent [8]byte // zero: none
	Short  bool    // the id has 8 bytes, Zipkin's older length
	// Sampled says whether spans are recorded, and Decided whether the client has
	// said so.
	Sampled, Decided bool
	Format           string // in which the request had it; "": it had none
}

// Read takes the trace from a request's header. What is malformed counts as not
// there.
func Read(h *fasthttp.RequestHeader) (t Trace) {
	if !plugin.AnyField(h, isField) {
		return Trace{}
	}
	peek := func(name string) string { return string(h.Peek(name)) }
	switch {
	case t.readW3C(peek("Traceparent")):
		t.Format = W3C
	case t.readSingle(peek("B3")):
		t.Format = B3Single
	case t.readIDs(peek("X-B3-Traceid"), peek("X-B3-Spanid")):
		t.Format = B3
		t.readState(peek("X-B3-Sampled"))
		if peek("X-B3-Flags") == "1" {
			t.Sampled, t.Decided = true, true
		}
	case t.readJaeger(peek("Uber-Trace-Id")):
		t.Format = Jaeger
	case t.readIDs(peek("Ot-Tracer-Traceid"), peek("Ot-Tracer-Spanid")):
		t.Format = OT
		t.readState(peek("Ot-Tracer-Sampled"))
	default:
		return Trace{}
	}
	return t
}

func (t *Trace) readW3C(text string) bool {
	p := strings.Split(text, "-")
	if len(p) < 4 || len(p[0]) != 2 || p[0] == "ff" || p[0] == "00" && len(p) > 4 || len(p[1]) != 32 || len(p[3]) != 2 {
		return false
	}
	flags, err := hex.DecodeString(p[3])
	if err != nil || !t.readIDs(p[1], p[2]) {
		return false
	}
	t.Sampled, t.Decided = flags[0]&1 == 1, true
	return true
}

func (t *Trace) readSingle(text string) bool {
	p := strings.Split(text, "-")
	if len(p) < 2 || !t.readIDs(p[0], p[1]) {
		return false
	}
	if len(p) > 2 {
		t.readState(p[2])
	}
	return true
}

// readJaeger reads trace:span:parent:flags. Zeros in front may be missing.
func (t *Trace) readJaeger(text string) bool {
	p := strings.Split(text, ":")
	if len(p) != 4 || len(p[0]) == 0 || len(p[0]) > 32 || len(p[1]) > 16 || len(p[3]) == 0 || len(p[3]) > 2 {
		return false
	}
	pad := func(s string, n int) string { return strings.Repeat("0", n-len(s)) + s }
	size := 32
	if len(p[0]) <= 16 {
		size = 16
	}
	flags, err := hex.DecodeString(pad(p[3], 2))
	if err != nil || !t.readIDs(pad(p[0], size), pad(p[1], 16)) {
		return false
	}
	t.Sampled, t.Decided = flags[0]&1 == 1, true
	return true
}

// readIDs reads ids in hexadecimal digits; a trace's may be the shorter one of
// Zipkin.
func (t *Trace) readIDs(id, span string) bool {
	t.Short = len(id) == 16
	if t.Short {
		id = strings.Repeat("0", 16) + id
	}
	if len(id) != 32 || len(span) != 16 {
		return false
	}
	if _, err := hex.Decode(t.ID[:], []byte(id)); err != nil || t.ID == [16]byte{} {
		return false
	}
	_, err := hex.Decode(t.Parent[:], []byte(span))
	return err == nil && t.Parent != [8]byte{}
}

func (t *Trace) readState(state string) {
	switch state {
	case "1", "d", "true":
		t.Sampled, t.Decided = true, true
	case "0", "false":
		t.Sampled, t.Decided = false, true
	}
}

// Begin gives the request a span, and a trace where it has none: with an id of 8
// bytes if it is to be short.
func (t *Trace) Begin(short bool) {
	draw(t.Span[:])
	if t.Format != "" {
		return
	}
	t.Short = short
	draw(t.ID[8:])
	if !short {
		draw(t.ID[:8])
	}
}

// draw fills the 8 bytes of an id. Ids are unique and no secrets: a generator without system calls is enough, as in the SDK of
// OpenTelemetry. Zero is no id.
func draw(id []byte) {
	binary.BigEndian.PutUint64(id, max(mathrand.Uint64(), 1)) //nolint:gosec // see above
}

// HexID is the trace's id in hexadecimal digits.
func (t *Trace) HexID() string {
	if t.Short {
		return hex.EncodeToString(t.ID[8:])
	}
	return hex.EncodeToString(t.ID[:])
}

// fields are those of all formats.
var fields = []string{
	"Traceparent", "B3", "X-B3-Traceid", "X-B3-Spanid", "X-B3-Parentspanid", "X-B3-Sampled", "X-B3-Flags", "Uber-Trace-Id",
	"Ot-Tracer-Traceid", "Ot-Tracer-Spanid", "Ot-Tracer-Sampled",
}

// Write tells the upstream, in one format alone.
func (t *Trace) Write(h *fasthttp.RequestHeader, format string) {
	if plugin.AnyField(h, isField) { // most requests have none
		for _, name := range fields {
			plugin.DeleteField(h, name)
		}
	}
	if format != B3 && format != B3Single && format != Jaeger && format != OT {
		t.writeW3C(h)
		return
	}
	id, span := t.HexID(), hex.EncodeToString(t.Span[:])
	state, parent := "0", ""
	if t.Sampled {
		state = "1"
	}
	if t.Parent != [8]byte{} {
		parent = hex.EncodeToString(t.Parent[:])
	}
	switch format {
	case B3:
		h.Set("X-B3-TraceId", id)
		h.Set("X-B3-SpanId", span)
		h.Set("X-B3-Sampled", state)
		if parent != "" {
			h.Set("X-B3-ParentSpanId", parent)
		}
	case B3Single:
		value := id + "-" + span + "-" + state
		if parent != "" {
			value += "-" + parent
		}
		h.Set("B3", value)
	case Jaeger:
		if parent == "" {
			parent = "0"
		}
		h.Set("Uber-Trace-Id", id+":"+span+":"+parent+":0"+state)
	case OT:
		h.Set("Ot-Tracer-TraceId", id)
		h.Set("Ot-Tracer-SpanId", span)
		h.Set("Ot-Tracer-Sampled", state)
	}
}

// traceparent is the name of W3C's field as the codec writes it.
var traceparent = []byte("Traceparent")

func (t *Trace) writeW3C(h *fasthttp.RequestHeader) {
	var room [55]byte // version, trace, span and flags with dashes between them
	b := hex.AppendEncode(append(room[:0], "00-"...), t.ID[:])
	b = hex.AppendEncode(append(b, '-'), t.Span[:])
	if t.Sampled {
		b = append(b, "-01"...)
	} else {
		b = append(b, "-00"...)
	}
	h.SetCanonical(traceparent, b)
}

// isField tells whether a name is one of fields, mostly by its length and its first letter.
func isField(name []byte) bool {
	switch len(name) {
	case 2, 10, 11, 12, 13, 16, 17:
	default:
		return false
	}
	switch name[0] | 0x20 {
	case 't', 'b', 'x', 'u', 'o':
		return slices.ContainsFunc(fields, func(f string) bool { return len(f) == len(name) && strings.EqualFold(f, plugin.View(name)) })
	}
	return false
}
