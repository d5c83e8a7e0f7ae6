package plugin

import (
	"reflect"
	"strings"
	"sync"
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

// fieldsLayout is where the headers have their fields.
type fieldsLayout struct{ request, response uintptr }

var fieldsAt = sync.OnceValue(func() fieldsLayout {
	find := func(header reflect.Type) uintptr {
		f, ok := header.FieldByName("h")
		if !ok || f.Type.Kind() != reflect.Slice || f.Type.Elem().Size() != reflect.TypeFor[headerField]().Size() {
			panic("the codec's header has no field h of keys and values")
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
	return fieldsLayout{find(reflect.TypeFor[fasthttp.RequestHeader]()), find(reflect.TypeFor[fasthttp.ResponseHeader]())}
})

// DeleteField deletes a request's fields of a name, and leaves the others in order.
func DeleteField(h *fasthttp.RequestHeader, name string) {
	sink(*(*[]headerField)(unsafe.Add(unsafe.Pointer(h), fieldsAt().request)), name)
	h.Del(name)
}

// DeleteResponseField deletes a response's fields of a name, and leaves the others in
// order.
func DeleteResponseField(h *fasthttp.ResponseHeader, name string) {
	sink(*(*[]headerField)(unsafe.Add(unsafe.Pointer(h), fieldsAt().response)), name)
	h.Del(name)
}

// SetField leaves one field of a name in a request. The codec's Set replaces the first
// of them, and what a client sent twice would reach the upstream.
func SetField(h *fasthttp.RequestHeader, name, value string) {
	DeleteField(h, name)
	h.Set(name, value)
}

// sink moves the fields of a name behind all others, in one pass: a client may send
// thousands of them.
func sink(fields []headerField, name string) {
	kept := 0
	for i := range fields {
		if len(fields[i].key) == len(name) && strings.EqualFold(View(fields[i].key), name) {
			continue
		}
		if i != kept {
			fields[i], fields[kept] = fields[kept], fields[i]
		}
		kept++
	}
}
