package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"
)

// taggedOrigin names its tags in two fields, and counts its answers.
func taggedOrigin(t *testing.T) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		w.Header().Set("Surrogate-Key", "all "+r.URL.Query().Get("tag"))
		w.Header().Set("Cache-Tag", "everything, of "+r.URL.Query().Get("tag"))
		fmt.Fprint(w, "answer ", asked.Add(1))
	}))
	t.Cleanup(origin.Close)
	return origin.URL, asked
}

// has tells whether a replica has an answer of its own for a URL.
func (p *process) has(target string) bool {
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://"+p.proxy+target, http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Cache-Control", "only-if-cached")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

func (p *process) purge(query string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodDelete, "http://"+p.admin+"/proxy-cache"+query, http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		p.t.Fatalf("DELETE %s: %d", query, res.StatusCode)
	}
}

// TestPurgesReachEveryReplica purges through one of three gateways what all of them have
// in memory, and measures until the last has forgotten it.
func TestPurgesReachEveryReplica(t *testing.T) {
	origin, asked := taggedOrigin(t)
	replicas, more := startReplicas(t, 3, origin)
	unique := fmt.Sprintf("%x", rand.Uint64())
	target := func(path string) string { return "/" + unique + path }
	header := func(target, name string) string {
		res, err := http.Get("http://" + replicas[0].proxy + target)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.Header.Get(name)
	}
	key := header(target("/by-key"), "X-Cache-Key")
	if tags := header(target("/by-key"), "Surrogate-Key") + header(target("/by-key"), "Cache-Tag"); tags != "" {
		t.Errorf("the client sees tags: %q", tags)
	}
	other := target("/other")
	for _, c := range []struct{ name, target, query string }{
		{"key", target("/by-key"), "?key=" + key},
		{"tag of Surrogate-Key", target("/a?tag=" + unique), "?tag=" + unique},
		{"tag of Cache-Tag", target("/b?tag=" + unique), "?tag=" + url.QueryEscape("of "+unique)},
		{"path", target("/img/x.png"), "?prefix=" + target("/img/")},
		{"host and path", target("/js/x.js"), "?prefix=127.0.0.1" + target("/js/")},
		{"route", target("/c"), "?route=cached"},
		{"everything", target("/d"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, target := range []string{c.target, other} {
				for _, p := range replicas {
					p.eventually("stored", func() bool { p.get("http://" + p.proxy + target); return p.has(target) })
				}
			}
			before := asked.Load()
			began := time.Now()
			replicas[0].purge(c.query)
			took := time.Since(began)
			for _, p := range replicas {
				p.eventually("forgotten", func() bool { return !p.has(c.target) })
			}
			t.Logf("the purge was answered after %s, the last replica had forgotten after %s", took, time.Since(began))
			all := c.name == "route" || c.name == "everything"
			for i, p := range replicas {
				if p.has(other) == all {
					t.Errorf("replica %d: the other resource is stored: %t", i, !all)
				}
			}
			if asked.Load() != before {
				t.Fatal("the origin was asked")
			}
			if c.name == "everything" {
				return
			}
			if late := more(); late.has(c.target) {
				t.Error("a replica that started afterwards has it of Redis")
			}
		})
	}
}
