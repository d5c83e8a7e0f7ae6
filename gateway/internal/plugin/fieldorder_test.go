package plugin

import (
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
