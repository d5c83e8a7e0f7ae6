package plugin

import (
	"reflect"
	"strings"
	"unsafe"

	"github.com/valyala/fasthttp"
)

// The codec deletes a field by putting the last one in its place. Of several
// fields of one name that changes the order, which says who was nearest
// (X-Forwarded-For, Via) or comes first. DeleteField and DeleteResponseField keep
// it: what they delete is at the end when the codec deletes it. The codec shows no
// order of its fields; its version is pinned, and a test checks that they are where
// they should be.

// headerField is the codec's argsKV.
//
//nolint:unused // all of it is moved
type headerField struct {
	key     []byte
	value   []byte
	noValue bool
}

// fieldsLayout is where the headers have their fields, and those of their trailers.
type fieldsLayout struct{ request, response, requestTrailers, responseTrailers uintptr }

// layout is found out at the start: a codec that keeps its fields otherwise must not serve a request.
var layout = func() fieldsLayout {
	find := func(header reflect.Type, name string) uintptr {
		f, ok := header.FieldByName(name)
		if !ok || f.Type.Kind() != reflect.Slice || f.Type.Elem().Size() != reflect.TypeFor[headerField]().Size() {
			panic("the codec's header has no field " + name + " of keys and values")
		}
		own := reflect.TypeFor[headerField]()
		for i := range own.NumField() {
			if g, of := f.Type.Elem().Field(i), own.Field(i); g.Name != of.Name || g.Type != of.Type || g.Offset != of.Offset {
				panic("the codec's fields have no " + of.Name + " where it should be")
			}
		}
		at := uintptr(0)
		for t, i := header, 0; i < len(f.Index); i++ {
			step := t.Field(f.Index[i])
			at += step.Offset
			t = step.Type
		}
		return at
	}
	request, response := reflect.TypeFor[fasthttp.RequestHeader](), reflect.TypeFor[fasthttp.ResponseHeader]()
	return fieldsLayout{find(request, "h"), find(response, "h"), find(request, "trailerH"), find(response, "trailerH")}
}()

func fieldsOf(header unsafe.Pointer, at uintptr) []headerField {
	return *(*[]headerField)(unsafe.Add(header, at))
}

// DeleteField deletes a request's fields of a name, and leaves the others in order. Most
// of the fields that are deleted are not there: then nothing is done.
func DeleteField(h *fasthttp.RequestHeader, name string) {
	all := fieldsOf(unsafe.Pointer(h), layout.request)
	if sink(all, name) == len(all) && !isAmong(keptApart, name) && len(fieldsOf(unsafe.Pointer(h), layout.requestTrailers)) == 0 {
		return
	}
	h.Del(name)
}

// AnyField tells whether a request has a field of whose name that is true, in one pass. Names that the codec keeps apart (Host, User-Agent
// and the like) are not asked for.
func AnyField(h *fasthttp.RequestHeader, is func(name []byte) bool) bool {
	fields := fieldsOf(unsafe.Pointer(h), layout.request)
	for i := range fields {
		if is(fields[i].key) {
			return true
		}
	}
	return false
}

// few names are looked for one by one.
const few = 8

// kept apart by the codec are fields of these names: they are not among the others.
var (
	keptApart         = []string{"host", "content-type", "user-agent", "cookie", "content-length", "connection", "trailer"}
	keptApartInAnswer = []string{"content-type", "content-encoding", "server", "set-cookie", "content-length", "connection", "trailer"}
)

func isAmong(names []string, name string) bool {
	for _, n := range names {
		if len(n) == len(name) && strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// DeleteFields deletes a request's fields of several names. A client may name thousands,
// and send thousands of fields: of more than a few names there is one pass for all.
func DeleteFields(h *fasthttp.RequestHeader, names [][]byte) {
	if len(names) <= few {
		for _, name := range names {
			DeleteField(h, View(name))
		}
		return
	}
	doomed, found := make(map[string]bool, len(names)), map[string]bool{}
	for _, name := range names {
		doomed[lowerCase(name)] = true
	}
	partition(fieldsOf(unsafe.Pointer(h), layout.request), func(f *headerField) bool {
		name := lowerCase(f.key)
		if doomed[name] {
			found[name] = true
		}
		return doomed[name]
	})
	for _, name := range keptApart {
		found[name] = found[name] || doomed[name]
	}
	for name, really := range found {
		if really {
			h.Del(name)
		}
	}
}

// lowerCase is a name as the codec compares it: of ASCII alone.
func lowerCase(name []byte) string {
	out := make([]byte, len(name))
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		out[i] = c
	}
	return string(out)
}

// DeleteResponseField deletes a response's fields of a name, and leaves the others in
// order.
func DeleteResponseField(h *fasthttp.ResponseHeader, name string) {
	all := fieldsOf(unsafe.Pointer(h), layout.response)
	if sink(all, name) == len(all) && !isAmong(keptApartInAnswer, name) && len(fieldsOf(unsafe.Pointer(h), layout.responseTrailers)) == 0 {
		return
	}
	h.Del(name)
}

// SetField leaves one field of a name in a request. The codec's Set replaces the first
// of them, and what a client sent twice would reach the upstream.
func SetField(h *fasthttp.RequestHeader, name, value string) {
	DeleteField(h, name)
	h.Set(name, value)
}

// SetCanonicalField is SetField of a name as the codec keeps it (X-Real-Ip), which it then
// need not make so.
func SetCanonicalField(h *fasthttp.RequestHeader, name []byte, value string) {
	DeleteField(h, View(name))
	h.SetCanonical(name, unsafe.Slice(unsafe.StringData(value), len(value))) // which is copied
}

// sink moves the fields of a name behind all others, and returns how many those are.
func sink(fields []headerField, name string) int {
	return partition(fields, func(f *headerField) bool { return len(f.key) == len(name) && strings.EqualFold(View(f.key), name) })
}

// partition moves fields behind all others, which stay in order, in one pass. It returns
// how many stay.
func partition(fields []headerField, goes func(*headerField) bool) int {
	kept := 0
	for i := range fields {
		if goes(&fields[i]) {
			continue
		}
		if i != kept {
			fields[i], fields[kept] = fields[kept], fields[i]
		}
		kept++
	}
	return kept
}
