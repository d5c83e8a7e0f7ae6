package proxy

import (
	"bufio"
	"io"
	"reflect"
	"strconv"
	"sync"
	"unsafe"

	"github.com/valyala/fasthttp"
)

// requestStream is the codec's stream of a request body. The codec shows neither
// its reader nor where it is in the body, and has no other way to find out; its
// version is pinned, and a test checks that the fields are where they should be.
type requestStream struct{ at unsafe.Pointer }

// streamLayout is where the fields of the codec's stream are.
type streamLayout struct {
	pointer                               reflect.Type
	reader, contentLength, chunkLeft, eof uintptr
}

var layout = sync.OnceValue(func() (l streamLayout) {
	var r fasthttp.Request
	r.Header.SetMethod(fasthttp.MethodPost)
	r.Header.SetContentLength(-1)
	_ = r.ContinueReadBodyStream(nil, 1, false) // of a chunked body, nothing is read here
	l.pointer = reflect.TypeOf(r.BodyStream())
	offset := func(name string, of reflect.Type) uintptr {
		f, ok := l.pointer.Elem().FieldByName(name)
		if !ok || f.Type != of {
			panic("the codec's request stream has no field " + name + " of type " + of.String())
		}
		return f.Offset
	}
	number := reflect.TypeFor[int]()
	l.reader = offset("reader", reflect.TypeFor[*bufio.Reader]())
	l.contentLength, l.chunkLeft = offset("contentLength", number), offset("chunkLeft", number)
	l.eof = offset("eof", reflect.TypeFor[bool]())
	return l
})

// newRequestStream returns nothing for a stream that is not the codec's.
func newRequestStream(stream io.Reader) (s requestStream, ok bool) {
	if reflect.TypeOf(stream) != layout().pointer {
		return s, false
	}
	return requestStream{reflect.ValueOf(stream).UnsafePointer()}, true
}

func (s requestStream) reader() *bufio.Reader {
	return *(**bufio.Reader)(unsafe.Add(s.at, layout().reader))
}

// chunkLeft is what is left of the chunk that the codec is in.
func (s requestStream) chunkLeft() int { return *(*int)(unsafe.Add(s.at, layout().chunkLeft)) }

// end has the codec take the body for ended.
func (s requestStream) end() { *(*bool)(unsafe.Add(s.at, layout().eof)) = true }

// setLength makes a stream of a chunked body one of a body of known length.
func (s requestStream) setLength(n int) { *(*int)(unsafe.Add(s.at, layout().contentLength)) = n }

// headerLength holds the length of a body that was announced to the codec as
// chunked. No client can send a field of that name.
var headerLength = []byte(":length")

// deferBody has the codec take a body of known length for a chunked one, which it
// does not read from before the handler does: of the other it waits for the
// first bytes, but what is refused by the header alone is answered without them.
func deferBody(h *fasthttp.RequestHeader) {
	n := h.ContentLength()
	if n <= 0 {
		return
	}
	var digits [20]byte
	h.SetCanonical(headerLength, strconv.AppendInt(digits[:0], int64(n), 10))
	h.SetContentLength(-1)
}

// restoreBody undoes what deferBody did, when the codec has made the stream.
func restoreBody(r *fasthttp.Request) {
	if !r.IsBodyStream() {
		return
	}
	digits := r.Header.PeekBytes(headerLength)
	if len(digits) == 0 {
		return
	}
	n, err := fasthttp.ParseUint(digits)
	stream, ok := newRequestStream(r.BodyStream())
	if err != nil || !ok {
		panic("a request's body was deferred, but is not the codec's")
	}
	r.Header.DelBytes(headerLength)
	r.Header.SetContentLength(n)
	stream.setLength(n)
}
