package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/admin"
	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// alter sends a form to the Admin API; it returns the response's header.
func (b *testGateway) alter(method, path string, form ...string) http.Header {
	b.t.Helper()
	values := url.Values{}
	for _, f := range form {
		name, value, _ := strings.Cut(f, "=")
		values.Add(name, value)
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.admin+path, strings.NewReader(values.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode >= 300 {
		b.t.Fatalf("%s %s: %d", method, path, res.StatusCode)
	}
	return res.Header
}

// What a replica has acknowledged it serves, whatever is sent to it next.
func TestAChangeIsAcknowledgedWhenItIsServed(t *testing.T) {
	b := boot(t, "--revision-header", "--admin-wait=10s") // a busy machine may take longer than the default
	b.alter("POST", "/services", "name=ai-api", "url="+b.origin.URL)
	for i := range 20 {
		path := fmt.Sprintf("/ai-%d", i)
		h := b.alter("POST", "/services/ai-api/routes", "name=r"+path[1:], "paths[]="+path)
		got := b.get(b.proxy + path + "/a")
		if got.StatusCode != 200 {
			t.Fatalf("%s: %d %s right after it was acknowledged, %v", path, got.StatusCode, got.text, h)
		}
		wrote, err := strconv.Atoi(h.Get(admin.RevisionHeader))
		if err != nil || h.Get(admin.PendingHeader) != "" {
			t.Errorf("the change is acknowledged with %v", h)
		}
		if serves, err := strconv.Atoi(got.Header.Get(admin.RevisionHeader)); err != nil || serves < wrote {
			t.Errorf("%s is served with revision %q, want %d or a later one", path, got.Header.Get(admin.RevisionHeader), wrote)
		}
	}
	b.alter("DELETE", "/routes/rai-0")
	if got := b.get(b.proxy + "/ai-0/a"); got.StatusCode != 404 {
		t.Errorf("a route is served after its removal was acknowledged: %d", got.StatusCode)
	}
}

// A configuration that the data plane rejects is stored and not served: the response says so, and does not take the time limit.
func TestAChangeThatIsNotServedIsPending(t *testing.T) {
	b := boot(t, "--admin-wait=10s")
	b.alter("POST", "/services", "name=ai-api", "url="+b.origin.URL)
	plugins := schema(t, "plugins")
	in := entity.Record{"name": "rate-limiting", "config": map[string]any{
		"minute": 5, "policy": "redis", "redis_host": "127.0.0.1", "redis_password": "{vault://env/gatelab-not-set}",
	}}
	rec, err := plugins.ProcessInsert(in, time.Now(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.elsewhere().Insert(t.Context(), plugins, rec, "other"); err != nil { // another replica has the variable
		t.Fatal(err)
	}
	began := time.Now()
	h := b.alter("POST", "/services/ai-api/routes", "name=late", "paths[]=/late")
	if h.Get(admin.PendingHeader) == "" || h.Get(admin.RevisionHeader) != "" || time.Since(began) > 8*time.Second {
		t.Errorf("after %s: %v", time.Since(began), h)
	}
	if got := b.get(b.proxy + "/late/a"); got.StatusCode != 404 || got.Header.Get(admin.RevisionHeader) != "" {
		t.Errorf("%d, %v", got.StatusCode, got.Header)
	}
}

func TestChangesCanBeAcknowledgedAtOnce(t *testing.T) {
	b := boot(t, "--admin-wait=0")
	if h := b.alter("POST", "/services", "name=ai-api", "url="+b.origin.URL); h.Get(admin.RevisionHeader)+h.Get(admin.PendingHeader) != "" {
		t.Errorf("without waiting: %v", h)
	}
}
