package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

func TestHealthCommandAsksTheStatusListener(t *testing.T) {
	var status atomic.Int32
	status.Store(200)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health/ready" {
			w.WriteHeader(404)
			return
		}
		w.WriteHeader(int(status.Load()))
	}))
	environ := []string{"GATEWAY_STATUS_LISTEN=" + strings.TrimPrefix(server.URL, "http://")}
	var out, errs strings.Builder
	if code := run([]string{"health"}, environ, &out, &errs); code != 0 {
		t.Errorf("ready: exit %d, %s", code, errs.String())
	}
	status.Store(503)
	if code := run([]string{"health"}, environ, &out, &errs); code != 1 || !strings.Contains(errs.String(), "not ready: status 503") {
		t.Errorf("not ready: exit %d, %s", code, errs.String())
	}
	server.Close()
	if code := run([]string{"health"}, environ, &out, &errs); code != 1 {
		t.Errorf("no server: exit %d", code)
	}
}
