package main

import (
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestProfilesAreServedWhereWanted(t *testing.T) {
	for _, wanted := range []bool{false, true} {
		h := statusHandler(&health{configured: func() bool { return true }, profiles: wanted}, prometheus.NewRegistry())
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/debug/pprof/heap", nil))
		want := 404
		if wanted {
			want = 200
		}
		if w.Code != want || wanted && w.Body.Len() == 0 {
			t.Errorf("profiles %v: %d with %d bytes, want %d", wanted, w.Code, w.Body.Len(), want)
		}
	}
	var s settings
	_ = newSettings(&s)
	if s.pprof {
		t.Error("profiles are served by default")
	}
}
