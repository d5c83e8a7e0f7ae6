package jsonhttp_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/jsonhttp"
)

func TestSend(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/refused":
			http.Error(w, `{"message":"no such thing"}`, http.StatusNotFound)
		case "/garbage":
			_, _ = w.Write([]byte("<html>"))
		default:
			_, _ = w.Write([]byte(`{"method":"` + r.Method + `","type":"` + r.Header.Get("Content-Type") + `"}`))
		}
	}))
	defer srv.Close()
	var got struct{ Method, Type string }
	if err := jsonhttp.Send(context.Background(), http.MethodPut, srv.URL+"/", map[string]int{"a": 1}, &got); err != nil {
		t.Fatal(err)
	}
	if got.Method != "PUT" || got.Type != "application/json" {
		t.Errorf("the server saw %+v", got)
	}
	err := jsonhttp.Get(context.Background(), srv.URL+"/refused", nil)
	if jsonhttp.StatusOf(err) != 404 || !strings.Contains(err.Error(), "no such thing") || !strings.Contains(err.Error(), "GET "+srv.URL) {
		t.Errorf("error %v", err)
	}
	if err := jsonhttp.Get(context.Background(), srv.URL+"/garbage", &got); err == nil || !strings.Contains(err.Error(), "/garbage") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := jsonhttp.Get(ctx, srv.URL+"/", &got); err == nil || jsonhttp.StatusOf(err) != 0 {
		t.Errorf("error %v", err)
	}
}
