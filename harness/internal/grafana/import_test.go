package grafana

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatelab/gatelab/dashboards"
)

func options(f *fake) Options {
	return Options{Config: Config{URL: f.URL, Token: "admin-token", Timeout: 5 * time.Second}, PrometheusURL: "http://prometheus:9090"}
}

// done counts changes by what was done.
func done(changes []Change) map[string]int {
	n := map[string]int{}
	for _, c := range changes {
		n[c.Done]++
	}
	return n
}

func TestImportMakesEverythingAndThenNothing(t *testing.T) {
	f := newFake(t)
	changes, err := Import(t.Context(), options(f))
	if err != nil {
		t.Fatal(err)
	}
	all := 2 + len(dashboards.All())
	if got := done(changes); got[Created] != all {
		t.Errorf("first import: %v, want %d created", got, all)
	}
	if got := f.sources[dashboards.DataSourceUID]["url"]; got != "http://prometheus:9090" {
		t.Errorf("data source url %v", got)
	}
	for _, b := range dashboards.All() {
		if stored := f.boards[b.UID]; stored == nil || stored.folder != "gatelab" || stored.version != 1 {
			t.Errorf("dashboard %s is not in the folder: %+v", b.UID, stored)
		}
	}
	writes := f.writes
	changes, err = Import(t.Context(), options(f))
	if err != nil {
		t.Fatal(err)
	}
	if got := done(changes); got[Unchanged] != all || f.writes != writes {
		t.Errorf("second import: %v and %d writes, want all unchanged and none", got, f.writes-writes)
	}
}

// An older version of ours, untouched in Grafana, is brought up to date.
func TestImportUpdatesWhatIsOldAndUntouched(t *testing.T) {
	f := newFake(t)
	if _, err := Import(t.Context(), options(f)); err != nil {
		t.Fatal(err)
	}
	old := f.boards["gatelab-cache"]
	old.model["description"] = "as an older release had it"
	s, err := boardSum(old.model)
	if err != nil {
		t.Fatal(err)
	}
	stamp(old.model, s)
	o := options(f)
	o.PrometheusURL = "http://elsewhere:9090"
	changes, err := Import(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := done(changes); got[Updated] != 2 {
		t.Errorf("%v: want the dashboard and the data source updated", changes)
	}
	if got := f.boards["gatelab-cache"]; got.version != 2 || got.model["description"] == "as an older release had it" {
		t.Errorf("the dashboard was not updated: version %d", got.version)
	}
	if got := f.sources[dashboards.DataSourceUID]["url"]; got != "http://elsewhere:9090" {
		t.Errorf("data source url %v", got)
	}
}

func TestImportKeepsWhatAPersonChanged(t *testing.T) {
	changeBoard := func(f *fake) { f.boards["gatelab-cache"].model["title"] = "mine"; f.boards["gatelab-cache"].version++ }
	for name, tt := range map[string]struct {
		touch func(f *fake)
		kept  func(f *fake) bool
	}{
		"a board's content": {changeBoard, func(f *fake) bool { return f.boards["gatelab-cache"].model["title"] == "mine" }},
		"a board's folder": {
			func(f *fake) {
				f.folders["theirs"] = map[string]any{"uid": "theirs", "title": "theirs"}
				f.boards["gatelab-cache"].folder = "theirs"
			},
			func(f *fake) bool { return f.boards["gatelab-cache"].folder == "theirs" },
		},
		"the data source": {
			func(f *fake) { f.sources[dashboards.DataSourceUID]["url"] = "http://mine:9090" },
			func(f *fake) bool { return f.sources[dashboards.DataSourceUID]["url"] == "http://mine:9090" },
		},
		"a foreign board of that uid": {
			func(f *fake) {
				f.boards["gatelab-cache"] = &storedBoard{folder: "gatelab", id: 99, version: 4, model: map[string]any{
					"uid": "gatelab-cache", "title": "theirs", "id": 99, "version": 4,
				}}
			},
			func(f *fake) bool { return f.boards["gatelab-cache"].model["title"] == "theirs" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			if _, err := Import(t.Context(), options(f)); err != nil {
				t.Fatal(err)
			}
			tt.touch(f)
			changes, err := Import(t.Context(), options(f))
			if !errors.Is(err, ErrTouched) || !tt.kept(f) {
				t.Fatalf("error %v, kept %v: want a refusal and what the person made", err, tt.kept(f))
			}
			if got := done(changes)[Unchanged]; got != 1+len(dashboards.All()) {
				t.Errorf("%d of the others were looked at, want all", got)
			}
			o := options(f)
			o.Overwrite = true
			if changes, err = Import(t.Context(), o); err != nil || done(changes)[Updated] != 1 || tt.kept(f) {
				t.Errorf("with overwrite: %v, %v", done(changes), err)
			}
		})
	}
}

// Between our reading and our writing another user saves: Grafana's 412 must win.
func TestImportLosesARaceGracefully(t *testing.T) {
	f := newFake(t)
	if _, err := Import(t.Context(), options(f)); err != nil {
		t.Fatal(err)
	}
	old := f.boards["gatelab-cache"]
	old.model["description"] = "old"
	s, err := boardSum(old.model)
	if err != nil {
		t.Fatal(err)
	}
	stamp(old.model, s)
	f.before = func(r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/api/dashboards/db" {
			f.mu.Lock()
			defer f.mu.Unlock()
			// What was read is a copy, so is what another user saves now.
			m := maps.Clone(old.model)
			m["title"], old.version = "theirs", old.version+1
			m["version"], old.model = old.version, m
		}
	}
	_, err = Import(t.Context(), options(f))
	if err == nil || !strings.Contains(err.Error(), "412") || !strings.Contains(err.Error(), "it was changed at the same time") {
		t.Errorf("error %v: want one that tells of the 412", err)
	}
	if f.boards["gatelab-cache"].model["title"] != "theirs" {
		t.Error("what another user saved is gone")
	}
}

func TestImportSaysWhatIsWrong(t *testing.T) {
	f := newFake(t)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("<html>log in</html>"))
	}))
	defer page.Close()
	nothing := httptest.NewServer(http.NotFoundHandler())
	defer nothing.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String()
	l.Close()
	for name, tt := range map[string]struct {
		change func(o *Options)
		want   string
	}{
		"no url": {func(o *Options) { o.URL = "grafana:3000" }, `grafana url "grafana:3000": want http://host:port`},
		"a password in a url that cannot be read": {
			func(o *Options) { o.URL = "http://u:hunter2/x@grafana:port" }, `grafana url "***": want http://host:port`,
		},
		"a password":           {func(o *Options) { o.URL = "http://admin:secret@grafana:3000" }, "holds a password"},
		"no token":             {func(o *Options) { o.Token = "" }, "grafana token: is empty"},
		"no server":            {func(o *Options) { o.URL = closed }, "refused"},
		"not Grafana":          {func(o *Options) { o.URL = page.URL }, "not of a login page"},
		"the wrong path":       {func(o *Options) { o.URL = nothing.URL }, "is the path of the URL right?"},
		"the wrong token":      {func(o *Options) { o.Token = "guess" }, "the token is wrong"},
		"a viewer":             {func(o *Options) { o.Token = "viewer-token" }, "give it the role Admin"},
		"an editor":            {func(o *Options) { o.Token = "editor-token" }, "data sources need it"},
		"a bad Prometheus url": {func(o *Options) { o.PrometheusURL = "prometheus" }, `prometheus url "prometheus": want http://host:port`},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(f)
			tt.change(&o)
			_, err := Import(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v: want %q in it", err, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "guess")) {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}

func TestImportEndsWithItsContext(t *testing.T) {
	asked := make(chan struct{})
	var once atomic.Bool
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if once.CompareAndSwap(false, true) {
			close(asked)
		}
		<-r.Context().Done()
	}))
	defer hang.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	_, err := Import(ctx, Options{Config: Config{URL: hang.URL, Token: "x", Timeout: time.Minute}, PrometheusURL: "http://p:1"})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v: want the context's", err)
	}
}

func TestImportDoesNotTakeTheTokenElsewhere(t *testing.T) {
	var leaked atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		leaked.Store(leaked.Load() || r.Header.Get("Authorization") != "")
	}))
	defer other.Close()
	moved := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusFound))
	defer moved.Close()
	_, err := Import(t.Context(), Options{Config: Config{URL: moved.URL, Token: "x"}, PrometheusURL: "http://p:1"})
	if err == nil || leaked.Load() {
		t.Errorf("error %v, leaked %v", err, leaked.Load())
	}
}

func TestProvisionedDataSourceIsLeftAlone(t *testing.T) {
	f := newFake(t)
	f.sources[dashboards.DataSourceUID] = map[string]any{
		"uid": dashboards.DataSourceUID, "name": "from a file", "type": "prometheus", "url": "http://p:9090", "readOnly": true,
	}
	if _, err := Import(t.Context(), options(f)); err != nil {
		t.Fatal(err)
	}
	if got := f.sources[dashboards.DataSourceUID]["name"]; got != "from a file" {
		t.Errorf("name is %v", got)
	}
}
