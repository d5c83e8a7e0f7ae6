package otlp

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// TraceparentHeader is the header field of W3C Trace Context.
const TraceparentHeader = "Traceparent"

// Context is what traceparent says: the trace, the span that sent the request, and whether spans of it are recorded.
type Context struct {
	Trace   TraceID
	Span    SpanID
	Sampled bool
}

// NewContext begins a trace of which spans are recorded, with ids drawn at random.
func NewContext() Context {
	c := Context{Trace: TraceID{}, Span: NewSpanID(), Sampled: true}
	_, _ = rand.Read(c.Trace[:]) // never fails
	return c
}

// NewSpanID is a span's id, drawn at random.
func NewSpanID() (id SpanID) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// contextLength is that of version 00: 2, 32, 16 and 2 hexadecimal digits with dashes between them.
const contextLength = 55

// Append adds the value of the header field to b.
func (c Context) Append(b []byte) []byte {
	b = append(b, "00-"...)
	b = hex.AppendEncode(b, c.Trace[:])
	b = hex.AppendEncode(append(b, '-'), c.Span[:])
	if c.Sampled {
		return append(b, "-01"...)
	}
	return append(b, "-00"...)
}

// ParseContext reads the value of a header field of version 00.
func ParseContext(value []byte) (c Context, err error) {
	wrong := func(why string) error {
		return fmt.Errorf("traceparent %.60q: %s: want 00-TRACE-SPAN-FLAGS with 32, 16 and 2 hexadecimal digits", value, why)
	}
	if len(value) != contextLength || value[0] != '0' || value[1] != '0' || value[2] != '-' || value[35] != '-' || value[52] != '-' {
		return Context{}, wrong("the form is not allowed")
	}
	var flags [1]byte
	for _, part := range []struct{ to, from []byte }{{c.Trace[:], value[3:35]}, {c.Span[:], value[36:52]}, {flags[:], value[53:]}} {
		if _, err := hex.Decode(part.to, part.from); err != nil {
			return Context{}, wrong(err.Error())
		}
	}
	if c.Trace == (TraceID{}) || c.Span == (SpanID{}) {
		return Context{}, wrong("an id of zeros is not allowed")
	}
	c.Sampled = flags[0]&1 == 1
	return c, nil
}

// ParseTraceID reads 32 hexadecimal digits.
func ParseTraceID(text string) (id TraceID, err error) {
	if len(text) != 2*len(id) {
		return id, fmt.Errorf("trace id %.40q: want %d hexadecimal digits", text, 2*len(id))
	}
	if _, err := hex.Decode(id[:], []byte(text)); err != nil {
		return id, fmt.Errorf("trace id %.40q: %w", text, err)
	}
	return id, nil
}
