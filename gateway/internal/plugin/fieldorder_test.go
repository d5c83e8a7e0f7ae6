package plugin

import (
	"bufio"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestDeletedFieldsLeaveTheOthersInOrder(t *testing.T) {
	var q fasthttp.RequestHeader
	var a fasthttp.ResponseHeader
	for _, f := range strings.Fields("X-Drop:1 A:1 X-Drop:2 B:1 A:2 C:1 X-Drop:3 A:3 X-Drop:4") {
		name, value, _ := strings.Cut(f, ":")
		q.Add(name, value)
		a.Add(name, value)
	}
	DeleteField(&q, "x-drop")
	DeleteResponseField(&a, "X-Drop")
	DeleteField(&q, "Absent")
	var got [2]string
	for name, value := range q.All() {
		got[0] += string(name) + ":" + string(value) + " "
	}
	for name, value := range a.All() {
		if string(name) != "Content-Type" { // the codec's default
			got[1] += string(name) + ":" + string(value) + " "
		}
	}
	if want := "A:1 B:1 A:2 C:1 A:3 "; got[0] != want || got[1] != want {
		t.Errorf("left %q, want %q", got, want)
	}
}

func TestManyNamesAreDeletedInOnePass(t *testing.T) {
	var q fasthttp.RequestHeader
	var names [][]byte
	q.SetHost("h")
	q.SetUserAgent("u")
	q.SetContentType("text/plain")
	q.SetCookie("c", "1")
	for i := range 40 {
		name := "X-" + strconv.Itoa(i)
		q.Add(name, "1")
		q.Add("Kept", strconv.Itoa(i))
		q.Add(name, "2")
		names = append(names, []byte(strings.ToLower(name)), []byte("ABSENT"))
	}
	names = append(names, []byte("user-agent"), []byte("COOKIE"))
	DeleteFields(&q, names)
	var got []string
	for name, value := range q.All() {
		got = append(got, string(name)+":"+string(value))
	}
	text := strings.Join(got, " ")
	want := ""
	for i := range 40 {
		want += " Kept:" + strconv.Itoa(i)
	}
	if !strings.Contains(" "+text, want) || len(got) != 42 || string(q.Host()) != "h" || string(q.ContentType()) != "text/plain" {
		t.Errorf("left %d: %s", len(got), text)
	}
}

// A name that is not among the fields is not asked of the codec. It has to know all that
// the codec keeps elsewhere.
func TestEveryFieldIsDeletedWhereverTheCodecKeepsIt(t *testing.T) {
	const head = "Host: h\r\nUser-Agent: u\r\nContent-Type: text/plain\r\nContent-Encoding: br\r\nServer: s\r\n" +
		"Cookie: a=b\r\nSet-Cookie: c=d\r\nConnection: close\r\nTrailer: X-T\r\nX-Other: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, name := range strings.Fields("host User-Agent content-type CONTENT-ENCODING server cookie set-cookie connection trailer x-other " +
		"x-t content-length transfer-encoding absent") {
		var q, wantQ fasthttp.RequestHeader
		var a, wantA fasthttp.ResponseHeader
		for _, h := range []*fasthttp.RequestHeader{&q, &wantQ} {
			if err := h.Read(bufio.NewReader(strings.NewReader("POST / HTTP/1.1\r\n" + head))); err != nil {
				t.Fatal(err)
			}
			h.Add("X-T", "trailer")
		}
		for _, h := range []*fasthttp.ResponseHeader{&a, &wantA} {
			if err := h.Read(bufio.NewReader(strings.NewReader("HTTP/1.1 200 OK\r\n" + head))); err != nil {
				t.Fatal(err)
			}
			h.Add("X-T", "trailer")
		}
		DeleteField(&q, name)
		wantQ.Del(name)
		DeleteResponseField(&a, name)
		wantA.Del(name)
		if got, want := sorted(q.String(), q.TrailerHeader()), sorted(wantQ.String(), wantQ.TrailerHeader()); got != want {
			t.Errorf("%s: the request is %q, want %q", name, got, want)
		}
		if got, want := sorted(a.String(), a.TrailerHeader()), sorted(wantA.String(), wantA.TrailerHeader()); got != want {
			t.Errorf("%s: the response is %q, want %q", name, got, want)
		}
	}
}

// sorted are a header's lines, and its trailers', in an order that does not depend on the codec's.
func sorted(header string, trailers []byte) string {
	lines := append(strings.Split(header, "\r\n"), string(trailers))
	slices.Sort(lines)
	return strings.Join(lines, "|")
}

func TestSetCanonicalFieldLeavesOne(t *testing.T) {
	var q fasthttp.RequestHeader
	for _, f := range strings.Fields("X-Set:1 A:1 x-set:2 B:1") {
		name, value, _ := strings.Cut(f, ":")
		q.Add(name, value)
	}
	SetCanonicalField(&q, []byte("X-Set"), "3\r\nInjected: 1")
	if got := q.PeekAll("X-Set"); len(got) != 1 || strings.ContainsAny(string(got[0]), "\r\n") || q.Peek("Injected") != nil {
		t.Errorf("%q", q.String())
	}
}
