package opentelemetry

import (
	"crypto/rand"
	"encoding/hex"
	"strings"

	"github.com/valyala/fasthttp"
)

// The values of header_type.
const (
	preserve = "preserve" // as the request has it; w3c where it has none
	ignore   = "ignore"   // the request's is not looked at
	b3       = "b3"
	b3Single = "b3-single"
	w3c      = "w3c"
)

// trace is what is known of a request's trace.
type trace struct {
	id     [16]byte
	span   [8]byte // of the request in the gateway
	parent [8]byte // zero: none
	// sampled says whether spans are recorded, and decided whether the client has
	// said so.
	sampled, decided bool
	form             string // in which the request had it; "": it had none
}

// read takes the trace from a request's header. What is malformed counts as not
// there.
func read(h *fasthttp.RequestHeader) (t trace) {
	switch {
	case t.readW3C(string(h.Peek("Traceparent"))):
		t.form = w3c
	case t.readSingle(string(h.Peek("B3"))):
		t.form = b3Single
	case t.readIDs(string(h.Peek("X-B3-Traceid")), string(h.Peek("X-B3-Spanid"))):
		t.form = b3
		t.readState(string(h.Peek("X-B3-Sampled")))
		if string(h.Peek("X-B3-Flags")) == "1" {
			t.sampled, t.decided = true, true
		}
	default:
		return trace{}
	}
	return t
}

func (t *trace) readW3C(text string) bool {
	p := strings.Split(text, "-")
	if len(p) < 4 || len(p[0]) != 2 || p[0] == "ff" || p[0] == "00" && len(p) > 4 || len(p[1]) != 32 || len(p[3]) != 2 {
		return false
	}
	flags, err := hex.DecodeString(p[3])
	if err != nil || !t.readIDs(p[1], p[2]) {
		return false
	}
	t.sampled, t.decided = flags[0]&1 == 1, true
	return true
}

func (t *trace) readSingle(text string) bool {
	p := strings.Split(text, "-")
	if len(p) < 2 || !t.readIDs(p[0], p[1]) {
		return false
	}
	if len(p) > 2 {
		t.readState(p[2])
	}
	return true
}

// readIDs reads ids in hexadecimal digits; a trace's may be the shorter one of
// Zipkin.
func (t *trace) readIDs(id, span string) bool {
	if len(id) == 16 {
		id = strings.Repeat("0", 16) + id
	}
	if len(id) != 32 || len(span) != 16 {
		return false
	}
	if _, err := hex.Decode(t.id[:], []byte(id)); err != nil || t.id == [16]byte{} {
		return false
	}
	_, err := hex.Decode(t.parent[:], []byte(span))
	return err == nil && t.parent != [8]byte{}
}

func (t *trace) readState(state string) {
	switch state {
	case "1", "d", "true":
		t.sampled, t.decided = true, true
	case "0", "false":
		t.sampled, t.decided = false, true
	}
}

// begin gives the request a span, and a trace where it has none.
func (t *trace) begin() {
	_, _ = rand.Read(t.span[:]) // never fails
	if t.form == "" {
		_, _ = rand.Read(t.id[:])
	}
}

// write tells the upstream, in one form alone.
func (t *trace) write(h *fasthttp.RequestHeader, form string) {
	for _, name := range []string{"Traceparent", "B3", "X-B3-Traceid", "X-B3-Spanid", "X-B3-Parentspanid", "X-B3-Sampled", "X-B3-Flags"} {
		h.Del(name)
	}
	id, span := hex.EncodeToString(t.id[:]), hex.EncodeToString(t.span[:])
	state := "0"
	if t.sampled {
		state = "1"
	}
	parent := ""
	if t.parent != [8]byte{} {
		parent = hex.EncodeToString(t.parent[:])
	}
	switch form {
	case b3:
		h.Set("X-B3-TraceId", id)
		h.Set("X-B3-SpanId", span)
		h.Set("X-B3-Sampled", state)
		if parent != "" {
			h.Set("X-B3-ParentSpanId", parent)
		}
	case b3Single:
		value := id + "-" + span + "-" + state
		if parent != "" {
			value += "-" + parent
		}
		h.Set("B3", value)
	default:
		h.Set("Traceparent", "00-"+id+"-"+span+"-0"+state)
	}
}
