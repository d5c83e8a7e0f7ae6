package cache

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"time"
)

// Redis holds an entry as
//
//	version(1) kind(1) flags(1) status nonce(8)
//	generated fresh swr sie keep lastModified
//	etag asked generation route route-name host path
//	vary-count vary... header-count (name value)... body
//
// Times are varints: generated in Unix milliseconds, the rest relative to it,
// also in milliseconds (lastModified: Unix seconds, 0 for none). Counts and
// the lengths before each string are uvarints; the body is the rest.
const codecVersion = 2

const flagMustRevalidate = 1

var errCodec = errors.New("not an entry of this version")

// encode appends e to buf.
func encode(buf []byte, e *Entry) []byte {
	var flags byte
	if e.MustRevalidate {
		flags |= flagMustRevalidate
	}
	buf = append(buf, codecVersion, byte(e.Kind), flags)
	buf = binary.AppendUvarint(buf, uint64(e.Status))
	buf = binary.BigEndian.AppendUint64(buf, e.Nonce)
	base := e.Generated.UnixMilli()
	buf = binary.AppendVarint(buf, base)
	for _, t := range [...]time.Time{e.FreshUntil, e.StaleWhileRevalidate, e.StaleIfError, e.KeepUntil} {
		buf = binary.AppendVarint(buf, t.UnixMilli()-base)
	}
	modified := int64(0)
	if !e.LastModified.IsZero() {
		modified = e.LastModified.Unix()
	}
	buf = binary.AppendVarint(buf, modified)
	buf = appendString(buf, e.ETag)
	buf = binary.AppendUvarint(buf, e.Asked)
	buf = binary.AppendUvarint(buf, e.Generation)
	for _, s := range [...]string{e.Of.Route, e.Of.RouteName, e.Of.Host, e.Of.Path} {
		buf = appendString(buf, s)
	}
	buf = binary.AppendUvarint(buf, uint64(len(e.Vary)))
	for _, v := range e.Vary {
		buf = appendString(buf, v)
	}
	buf = binary.AppendUvarint(buf, uint64(len(e.Header)))
	for _, f := range e.Header {
		buf = appendString(buf, f.Name)
		buf = appendString(buf, f.Value)
	}
	return append(buf, e.Body...)
}

func appendString[S string | []byte](buf []byte, s S) []byte {
	buf = binary.AppendUvarint(buf, uint64(len(s)))
	return append(buf, s...)
}

// decode reads what encode wrote. The entry keeps raw: its header and body are
// parts of it, not copies.
func decode(raw []byte) (*Entry, error) {
	if len(raw) < 3 || raw[0] != codecVersion || raw[1] > byte(VaryNote) {
		return nil, errCodec
	}
	r := reader{raw: raw[3:]}
	e := &Entry{Kind: Kind(raw[1]), MustRevalidate: raw[2]&flagMustRevalidate != 0}
	e.Status = int(r.uvarint(999))
	e.Nonce = r.fixed64()
	base := r.varint()
	e.Generated = time.UnixMilli(base)
	for _, t := range [...]*time.Time{&e.FreshUntil, &e.StaleWhileRevalidate, &e.StaleIfError, &e.KeepUntil} {
		*t = time.UnixMilli(base + r.varint())
	}
	if m := r.varint(); m != 0 {
		e.LastModified = time.Unix(m, 0)
	}
	e.ETag = string(r.bytes())
	e.Asked = r.uvarint(math.MaxUint64)
	e.Generation = r.uvarint(math.MaxUint64)
	for _, s := range [...]*string{&e.Of.Route, &e.Of.RouteName, &e.Of.Host, &e.Of.Path} {
		*s = string(r.bytes())
	}
	// A count can be no larger than what is left: each item takes a byte.
	if n := r.uvarint(uint64(len(r.raw))); n > 0 {
		e.Vary = make([]string, n)
	}
	for i := range e.Vary {
		e.Vary[i] = string(r.bytes())
	}
	if n := r.uvarint(uint64(len(r.raw)) / 2); n > 0 {
		e.Header = make([]Field, n)
	}
	var encoding [][]byte
	for i := range e.Header {
		f := Field{Name: r.bytes(), Value: r.bytes()}
		e.Header[i] = f
		if strings.EqualFold(string(f.Name), "Content-Encoding") {
			encoding = append(encoding, f.Value)
		}
	}
	if r.bad {
		return nil, errCodec
	}
	e.Encoding = codings(encoding)
	e.Body = r.raw[:len(r.raw):len(r.raw)]
	return e, nil
}

// reader takes values off raw; the first that does not fit makes it bad, and
// all after it zero.
type reader struct {
	raw []byte
	bad bool
}

func (r *reader) uvarint(most uint64) uint64 {
	v, n := binary.Uvarint(r.raw)
	if r.bad || n <= 0 || v > most {
		r.bad = true
		return 0
	}
	r.raw = r.raw[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.raw)
	if r.bad || n <= 0 {
		r.bad = true
		return 0
	}
	r.raw = r.raw[n:]
	return v
}

func (r *reader) fixed64() uint64 {
	if r.bad || len(r.raw) < 8 {
		r.bad = true
		return 0
	}
	v := binary.BigEndian.Uint64(r.raw)
	r.raw = r.raw[8:]
	return v
}

func (r *reader) bytes() []byte {
	n := r.uvarint(uint64(len(r.raw)))
	if r.bad || n > uint64(len(r.raw)) {
		r.bad = true
		return nil
	}
	v := r.raw[:n:n]
	r.raw = r.raw[n:]
	return v
}
