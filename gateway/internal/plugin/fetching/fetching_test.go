package fetching

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestBounds(t *testing.T) {
	done := make(chan struct{})
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("an address that was not named was asked")
	}))
	t.Cleanup(elsewhere.Close)
	mux := http.NewServeMux()
	mux.HandleFunc("/good", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) })
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, MaxBytes+1)) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) })
	mux.HandleFunc("/slow", func(http.ResponseWriter, *http.Request) { <-done })
	mux.HandleFunc("/form", func(w http.ResponseWriter, r *http.Request) {
		name, password, _ := r.BasicAuth()
		_, _ = w.Write([]byte(r.FormValue("token") + name + password))
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(done) })
	c := New(300 * time.Millisecond)
	t.Cleanup(c.Close)
	for path, want := range map[string]string{
		"/good": "", "/long": "more than 512 KiB", "/away": "it redirects", "/slow": "deadline exceeded", "/missing": "answered 404: want 200",
	} {
		raw, err := c.Get(t.Context(), s.URL+path)
		switch {
		case want == "" && (err != nil || string(raw) != "{}"):
			t.Errorf("%s: %q, %v", path, raw, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v", path, err)
		}
	}
	if raw, err := c.Post(t.Context(), s.URL+"/form", url.Values{"token": {"t"}}, "n:", "p"); err != nil || string(raw) != "tn%3Ap" {
		t.Errorf("a form: %q, %v", raw, err)
	}
	if _, err := c.Get(t.Context(), "http://u:secret@\x7f/"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("an address with a password: %v", err)
	}
}
