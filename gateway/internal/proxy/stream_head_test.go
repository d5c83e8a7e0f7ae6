package proxy

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"golang.org/x/net/http2/hpack"

	"github.com/gatelab/gatelab/gateway/internal/h2"
)

// What is written out must be read as the same request, with nothing more in it.
func FuzzStreamHead(f *testing.F) {
	for _, s := range [][5]string{
		{"GET", "/", "x", "a", "b"}, {"GET", "/ HTTP/1.1\r\nX: y", "x", "a", "b"}, {"GET /x HTTP/1.1\r\n", "/", "x", "a", "b"},
		{"POST", "/a?b", "x\r\nY: z", "a", "b"}, {"GET", "/", "x", "a\r\nb", "c"}, {"GET", "/", "x", "A", "b\r\n\r\nGET /"},
		{"GET", "/", "x", "Transfer-Encoding", "chunked"}, {"GET", "/", "x", "Content-Length", "5"}, {"GET", "/", "x", "A ", "b"},
		{"GET", "/", "x", "A", " b "}, {"GET", "/", "", "A", "b\x00"}, {"GET", "/", "x", "Host", "y"}, {"GET", "\t/", "x", ":length", "1"},
	} {
		f.Add(s[0], s[1], s[2], s[3], s[4])
	}
	f.Fuzz(func(t *testing.T, method, target, host, name, value string) {
		r := &h2.Request{Method: method, Path: target, Authority: host, Fields: []hpack.HeaderField{{Name: name, Value: value}}, Length: -1}
		head, err := appendHead(nil, r)
		if err != nil {
			return
		}
		var h fasthttp.RequestHeader
		if h.Read(bufio.NewReaderSize(bytes.NewReader(head), len(head)+1<<10)) != nil {
			return // answered 400
		}
		if n := bytes.Count(head, crlf); n > 4 || n < 3 && host != "" {
			t.Errorf("%q has %d lines", head, n)
		}
		if method != http.MethodConnect && (string(h.Method()) != method || string(h.RequestURI()) != target) {
			t.Errorf("%q is read as %s %s", head, h.Method(), h.RequestURI())
		}
		if string(h.Host()) != host {
			t.Errorf("%q is read with host %q", head, h.Host())
		}
		if n := h.ContentLength(); n > 0 || n == -1 {
			t.Errorf("%q announces a body of %d", head, n)
		}
		if got := string(h.Peek(name)); got != strings.Trim(value, " \t") && !strings.EqualFold(name, "cookie") {
			t.Errorf("%q: %q is read as %q", head, name, got)
		}
	})
}

func TestFrameGuard(t *testing.T) {
	frame := func(kind, flags byte, payload string) string {
		return string([]byte{0, 0, byte(len(payload)), kind, flags, 0, 0, 0, 1}) + payload
	}
	preface := "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	for _, c := range []struct {
		name, frames string
		header, in   bool
		abuse        string
	}{
		{name: "nothing", in: false},
		{name: "half a frame", frames: frame(frameData, 0, "abc")[:5], in: true},
		{name: "a whole header", frames: frame(frameHeaders, flagEndHeaders, "abc")},
		{name: "a header that goes on", frames: frame(frameHeaders, 0, "abc"), header: true},
		{name: "that has ended", frames: frame(frameHeaders, 0, "abc") + frame(frameContinuation, flagEndHeaders, "")},
		{name: "half of its end", frames: frame(frameHeaders, 0, "abc") + frame(frameContinuation, flagEndHeaders, "abc")[:11],
			header: true, in: true},
		{name: "as many continuations as allowed",
			frames: frame(frameHeaders, 0, "") + strings.Repeat(frame(frameContinuation, 0, ""), mostContinuations),
			header: true},
		{name: "one more", frames: frame(frameHeaders, 0, "") + strings.Repeat(frame(frameContinuation, 0, ""), mostContinuations+1),
			header: true, abuse: abuseContinuation},
		{name: "as many resets as allowed", frames: strings.Repeat(frame(frameReset, 0, "abcd"), resetsAtOnce)},
		{name: "one reset more", frames: strings.Repeat(frame(frameReset, 0, "abcd"), resetsAtOnce+1), abuse: abuseResets, in: true},
		{name: "empty data that ends", frames: strings.Repeat(frame(frameData, flagEndStream, ""), emptyAtOnce+1)},
		{name: "empty data", frames: strings.Repeat(frame(frameData, 0, ""), emptyAtOnce+1), abuse: abuseEmpty},
		{name: "window updates", frames: strings.Repeat(frame(frameWindowUpdate, 0, "abcd"), 2*controlAtOnce)},
	} {
		for _, step := range []int{1, 7, 1 << 20} { // however the bytes come
			now := time.Now()
			var g frameGuard
			g.begin(now)
			g.now = func() time.Time { return now }
			abuse := ""
			for rest := []byte(preface + c.frames); len(rest) > 0 && abuse == ""; {
				n := min(step, len(rest))
				abuse = g.see(rest[:n])
				rest = rest[n:]
			}
			if abuse != c.abuse || g.inHeader() != c.header || g.inFrame() != c.in {
				t.Errorf("%s, %d at a time: %q, in a header %v, in a frame %v", c.name, step, abuse, g.inHeader(), g.inFrame())
			}
		}
	}
}
