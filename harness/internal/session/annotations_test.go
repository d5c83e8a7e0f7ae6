package session

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/grafana"
)

// annotation is what Grafana is sent.
type annotation struct {
	Time, TimeEnd int64
	Text          string
	Tags          []string
}

// fakeGrafana keeps the annotations that it is sent.
func fakeGrafana(t *testing.T) (url string, written func() []annotation) {
	t.Helper()
	var mu sync.Mutex
	var all []annotation
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"database": "ok"}`) })
	mux.HandleFunc("POST /api/annotations", func(w http.ResponseWriter, r *http.Request) {
		var a annotation
		if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, a)
		fmt.Fprint(w, `{"id": 1}`)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL, func() []annotation {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

func TestAnnotationsMarkStagesFaultsAndVerdicts(t *testing.T) {
	url, written := fakeGrafana(t)
	a, err := NewAnnotations(t.Context(), grafana.Config{URL: url, Token: "token"})
	if err != nil {
		t.Fatal(err)
	}
	at := func(s int64) time.Time { return time.Unix(1_700_000_000+s, 0) }
	kill := fault.Event{Kind: "kill", Target: "gateway-2", InjectedAt: at(3), RecoveredAt: at(5)}
	for _, e := range []Event{
		{Kind: Begin, At: at(0), Text: "not written"},
		{Kind: StageBegin, At: at(1), Scenario: "ladder", Stage: "cache"},
		{Kind: StageBegin, At: at(2), Scenario: "ladder", Stage: "pool"},
		{Kind: Fault, At: at(3), FaultStep: fault.StepInjected, Fault: kill},
		{Kind: Fault, At: at(4), FaultStep: fault.StepEffect, Fault: kill},
		{Kind: Fault, At: at(5), FaultStep: fault.StepRecovered, Fault: kill},
		{Kind: StageEnd, At: at(6), Scenario: "ladder", Stage: "cache"},
		{Kind: Verdict, At: at(7), Text: "pass: no metric is worse"},
		{Kind: Step, At: at(8), Text: "not written"},
	} {
		a.Observe(e)
	}
	if err := a.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []annotation{
		{Time: at(3).UnixMilli(), Text: "fault kill gateway-2: injected", Tags: []string{"gatelab", "fault"}},
		{Time: at(3).UnixMilli(), TimeEnd: at(5).UnixMilli(), Text: "fault kill gateway-2", Tags: []string{"gatelab", "fault"}},
		{Time: at(1).UnixMilli(), TimeEnd: at(6).UnixMilli(), Text: "ladder: stage cache", Tags: []string{"gatelab", "stage"}},
		{Time: at(7).UnixMilli(), Text: "pass: no metric is worse", Tags: []string{"gatelab", "verdict"}},
	}
	if got := written(); !slices.EqualFunc(got, want, func(a, b annotation) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
		t.Errorf("wrote %+v\nwant  %+v", got, want)
	}
}

func TestAnnotationsWantAGrafana(t *testing.T) {
	if _, err := NewAnnotations(t.Context(), grafana.Config{URL: "http://127.0.0.1:1", Token: "token"}); err == nil {
		t.Error("no Grafana answers, and there is no error")
	}
}
