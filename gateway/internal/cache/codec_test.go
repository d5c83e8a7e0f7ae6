package cache

import (
	"bytes"
	"reflect"
	"testing"
	"time"
)

// coarse is e with the precision that Redis keeps.
func coarse(e *Entry) *Entry {
	for _, t := range []*time.Time{&e.Generated, &e.FreshUntil, &e.StaleWhileRevalidate, &e.StaleIfError, &e.KeepUntil} {
		*t = time.UnixMilli(t.UnixMilli())
	}
	return e
}

func samples() []*Entry {
	full := response(`{"a":1}`, "accept", "origin")
	full.Of = Resource{Route: "r", RouteName: "name", Host: "example.com", Path: "/a?b"}
	full.Asked, full.Generation = 1<<64-1, 1<<63
	full.Nonce = 1<<63 + 5
	full.ETag = `W/"x"`
	full.MustRevalidate = true
	full.LastModified = time.Unix(1700000000, 0)
	full.Header = append(full.Header, Field{Name: []byte("X-Empty"), Value: []byte{}})
	bare := response("")
	bare.Header, bare.Body = nil, []byte{}
	note := newVaryNote(nil, []string{"accept"})
	note.KeepUntil, note.Body = note.Generated.Add(time.Hour), []byte{}
	return []*Entry{full, bare, note}
}

func TestCodecKeepsEverything(t *testing.T) {
	for _, e := range samples() {
		got, err := decode(encode(nil, e))
		if err != nil {
			t.Fatal(err)
		}
		want := coarse(e)
		if e.Kind == VaryNote { // its other times mean nothing
			want.FreshUntil = got.FreshUntil
			want.StaleWhileRevalidate = got.StaleWhileRevalidate
			want.StaleIfError = got.StaleIfError
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
}

func TestCodecRefuses(t *testing.T) {
	good := samples()[0]
	raw := encode(nil, good)
	body := len(good.Body)
	for n := range len(raw) - body {
		if _, err := decode(raw[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes were taken for an entry", n, len(raw))
		}
	}
	other := bytes.Clone(raw)
	other[0]++
	if _, err := decode(other); err == nil {
		t.Error("another version was taken")
	}
	pass := encode(nil, &Entry{Kind: PassNote})
	if _, err := decode(pass); err == nil {
		t.Error("a note that belongs in memory only was taken")
	}
}

func FuzzDecode(f *testing.F) {
	for _, e := range samples() {
		f.Add(encode(nil, e))
	}
	f.Add([]byte{codecVersion, 0, 0, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, raw []byte) {
		e, err := decode(raw)
		if err != nil {
			return
		}
		again, err := decode(encode(nil, e))
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		if !bytes.Equal(again.Body, e.Body) || again.Status != e.Status || len(again.Header) != len(e.Header) ||
			again.Of != e.Of || again.Generation != e.Generation || again.Asked != e.Asked {
			t.Error("another entry came back")
		}
	})
}
