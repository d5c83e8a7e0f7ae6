package grafana

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAnnotatorWritesMarksAndSpans(t *testing.T) {
	f := newFake(t)
	a, err := NewAnnotator(t.Context(), Config{URL: f.URL, Token: "editor-token"})
	if err != nil {
		t.Fatal(err)
	}
	at := time.UnixMilli(1_700_000_000_000)
	a.Mark(at, "fault kill gateway-2: injected", "fault")
	a.Span(at, at.Add(time.Minute), "stage cache", "stage")
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(f.annotations) != 2 {
		t.Fatalf("%d annotations, want 2", len(f.annotations))
	}
	mark, span := f.annotations[0], f.annotations[1]
	if mark["time"] != float64(at.UnixMilli()) || mark["timeEnd"] != nil || mark["text"] != "fault kill gateway-2: injected" {
		t.Errorf("mark %v", mark)
	}
	if tags := mark["tags"].([]any); !slices.Equal(tags, []any{"gatelab", "fault"}) {
		t.Errorf("tags %v", tags)
	}
	if span["timeEnd"] != float64(at.Add(time.Minute).UnixMilli()) {
		t.Errorf("span %v", span)
	}
}

func TestAnnotatorTellsWhatWasLost(t *testing.T) {
	f := newFake(t)
	a, err := NewAnnotator(t.Context(), Config{URL: f.URL, Token: "viewer-token"})
	if err != nil {
		t.Fatal(err)
	}
	a.Mark(time.Now(), "one")
	err = a.Close(t.Context())
	if err == nil || !strings.Contains(err.Error(), "1 annotations were not written") || !strings.Contains(err.Error(), "403") {
		t.Errorf("error %v", err)
	}
	a.Mark(time.Now(), "too late")
	if err := a.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "2 annotations") {
		t.Errorf("error %v", err)
	}
}

func TestNoAnnotatorDoesNothing(t *testing.T) {
	var a *Annotator
	a.Mark(time.Now(), "not written")
	if err := a.Close(context.Background()); err != nil {
		t.Error(err)
	}
}
