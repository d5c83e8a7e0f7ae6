package proxy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

func TestARevisionThatCannotBeAppliedStopsNoRequest(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer origin.Close()
	var refreshed atomic.Int64
	db := &revisions{}
	g := start(t, Config{Revisions: db}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/one"}}))
	db.refresh = func() error {
		refreshed.Add(1)
		next := config(origin.URL, entity.Route{Paths: []string{"/two"}})
		if next.Revision = db.revision.Load(); next.Revision < 4 {
			next.Plugins = []entity.Plugin{{ID: "p", Name: "no-such-plugin", Enabled: true}}
		}
		if err := g.Apply(next); err != nil {
			return fmt.Errorf("refresh: %w", err)
		}
		return nil
	}
	for _, revision := range []int64{2, 3} {
		db.revision.Store(revision)
		for range 3 {
			if res, body := get(t, g.url+"/one"); res.StatusCode != 200 {
				t.Errorf("at revision %d, which is broken: %d %s", revision, res.StatusCode, body)
			}
		}
	}
	if n := refreshed.Load(); n != 2 {
		t.Errorf("two broken revisions were read %d times", n)
	}
	if n := strings.Count(g.log.String(), "configuration rejected"); n != 2 {
		t.Errorf("two broken revisions are in the log %d times", n)
	}
	db.revision.Store(4)
	if res, body := get(t, g.url+"/two"); res.StatusCode != 200 {
		t.Errorf("at revision 4, which mends it: %d %s", res.StatusCode, body)
	}
	db.refresh = func() error { return fmt.Errorf("the database is away") }
	db.revision.Store(5)
	if res, _ := get(t, g.url+"/two"); res.StatusCode != 503 {
		t.Errorf("a revision that cannot be read: %d, want 503", res.StatusCode)
	}
}
