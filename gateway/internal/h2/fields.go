package h2

import (
	"bytes"
	"unsafe"

	"golang.org/x/net/http2/hpack"
)

// Field is one of an answer. The name may be in any case.
type Field struct{ Name, Value []byte }

const (
	// mostKnown bounds the names that a connection remembers.
	mostKnown = 64
	// mostValue is the length of a value that is worth a place in HPACK's table.
	mostValue = 128
)

// fieldWriter encodes the fields of answers. It puts into HPACK's table what comes a
// second time in a row: names whose values change from answer to answer (times,
// lengths, counts) would push out what stays, and cost an allocation each.
type fieldWriter struct {
	block bytes.Buffer // of the header under way
	enc   *hpack.Encoder
	known map[string]*knownField
	lower []byte
}

// knownField is a name that has been sent.
type knownField struct {
	name   string // in lower case
	last   []byte
	value  string // that is in the table, or was
	secret bool   // its values are kept out of the table
}

func (w *fieldWriter) begin() {
	if w.enc == nil {
		w.enc = hpack.NewEncoder(&w.block)
		w.known = map[string]*knownField{}
	}
	w.block.Reset()
}

// limit is the peer's word on the size of the table.
func (w *fieldWriter) limit(size uint32) {
	w.begin()
	w.enc.SetMaxDynamicTableSizeLimit(size)
	w.enc.SetMaxDynamicTableSize(min(size, 4096))
}

func (w *fieldWriter) status(code int) {
	w.write(hpack.HeaderField{Name: ":status", Value: statusText(code)})
}

// write cannot fail: a bytes.Buffer takes everything.
func (w *fieldWriter) write(f hpack.HeaderField) { _ = w.enc.WriteField(f) }

// field leaves out what is no field: clients would take the connection for broken.
func (w *fieldWriter) field(f Field) {
	if !isFieldValue(f.Value) {
		return
	}
	k := w.known[string(f.Name)]
	if k == nil {
		if w.lower = appendLower(w.lower[:0], f.Name); !isFieldName(view(w.lower)) {
			return
		}
		if len(w.known) >= mostKnown || len(f.Name) > mostValue {
			w.literal(view(w.lower), f.Value)
			return
		}
		k = &knownField{name: string(w.lower), secret: string(w.lower) == "set-cookie"}
		w.known[string(f.Name)] = k
	}
	switch {
	case k.secret || len(f.Value) > mostValue:
		w.literal(k.name, f.Value)
		return
	case k.value == string(f.Value) && k.value != "":
	case bytes.Equal(k.last, f.Value):
		k.value = string(f.Value)
	default:
		k.last = append(k.last[:0], f.Value...)
		w.literal(k.name, f.Value)
		return
	}
	w.write(hpack.HeaderField{Name: k.name, Value: k.value})
}

// literal writes a field past the table: nothing keeps its strings.
func (w *fieldWriter) literal(name string, value []byte) {
	w.write(hpack.HeaderField{Name: name, Value: view(value), Sensitive: true})
}

// isFieldValue tells a value without control characters.
func isFieldValue(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// view is a string that holds for as long as nothing changes the bytes.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func appendLower(to, name []byte) []byte {
	for _, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		to = append(to, c)
	}
	return to
}

// statusText is a status of three digits.
func statusText(code int) string {
	if code < 100 || code > 999 {
		code = 500
	}
	at := (code - 100) * 3
	return statusDigits[at : at+3]
}

// statusDigits are those of all statuses, behind each other.
var statusDigits = func() string {
	b := make([]byte, 0, 900*3)
	for code := range 900 {
		code += 100
		b = append(b, byte('0'+code/100), byte('0'+code/10%10), byte('0'+code%10))
	}
	return string(b)
}()
