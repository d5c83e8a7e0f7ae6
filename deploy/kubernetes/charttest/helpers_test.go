package charttest

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
)

func newReader(text string) *bufio.Reader { return bufio.NewReader(strings.NewReader(text)) }

func withoutComments(document []byte) []byte {
	var out []byte
	for line := range bytes.Lines(document) {
		if !bytes.HasPrefix(bytes.TrimSpace(line), []byte("#")) && !bytes.HasPrefix(line, []byte("---")) {
			out = append(out, line...)
		}
	}
	return out
}

func nameOf(t *testing.T, o runtime.Object) string {
	t.Helper()
	about, err := meta.Accessor(o)
	if err != nil {
		t.Fatal(err)
	}
	return about.GetName()
}

// get is one of the objects, as its own type.
func get[T runtime.Object](t *testing.T, all map[string]runtime.Object, key string) T {
	t.Helper()
	o, ok := all[key].(T)
	if !ok {
		t.Fatalf("%s is a %T", key, all[key])
	}
	return o
}

// isNot is of a field that must be set.
func isNot(field *bool, want bool) bool { return field == nil || *field != want }
