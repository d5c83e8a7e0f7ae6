package proxy

import (
	"reflect"
	"strings"
	"sync"
	"unsafe"

	"github.com/valyala/fasthttp"
)

// The codec deletes a field by putting the last one in its place. Of several
// fields of one name that changes the order, which says who was nearest
// (X-Forwarded-For, Via) or comes first. del and delFrom keep it: what they
// delete is at the end when the codec deletes it. The codec shows no order of its
// fields; its version is pinned, and a test checks that they are where they
// should be.

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

// del deletes a request's fields of a name.
func del(h *fasthttp.RequestHeader, name string) {
	sink(*(*[]headerField)(unsafe.Add(unsafe.Pointer(h), fieldsAt().request)), name)
	h.Del(name)
}

// delFrom deletes an answer's fields of a name.
func delFrom(h *fasthttp.ResponseHeader, name string) {
	sink(*(*[]headerField)(unsafe.Add(unsafe.Pointer(h), fieldsAt().response)), name)
	h.Del(name)
}

// sink moves the fields of a name behind all others.
func sink(fields []headerField, name string) {
	last := len(fields)
	for i := 0; i < last; {
		if len(fields[i].key) != len(name) || !strings.EqualFold(view(fields[i].key), name) {
			i++
			continue
		}
		last--
		if i == last {
			return
		}
		found := fields[i]
		copy(fields[i:last], fields[i+1:last+1])
		fields[last] = found
	}
}
