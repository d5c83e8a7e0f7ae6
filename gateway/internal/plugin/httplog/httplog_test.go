package httplog

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"http-log.http_endpoint":              `.: json:"http_endpoint" + in.HTTPEndpoint`,
	"http-log.method":                     `.: json:"method" + in.Method`,
	"http-log.content_type":               `.: json:"content_type" + in.ContentType`,
	"http-log.timeout":                    `.: json:"timeout" + in.Timeout`,
	"http-log.keepalive":                  `.: json:"keepalive" + in.Keepalive`,
	"http-log.retry_count":                "any: Kong has not used it since 3.3 either",
	"http-log.queue_size":                 `../logqueue: json:"queue_size" + l.QueueSize`,
	"http-log.flush_timeout":              `../logqueue: json:"flush_timeout" + l.FlushTimeout`,
	"http-log.headers":                    `.: json:"headers" + in.Headers`,
	"http-log.queue":                      `.: json:"queue" + in.Queue`,
	"http-log.queue.max_batch_size":       "../logqueue: c.MaxBatchSize",
	"http-log.queue.max_coalescing_delay": "../logqueue: c.MaxCoalescingDelay",
	"http-log.queue.max_entries":          "../logqueue: c.MaxEntries",
	"http-log.queue.max_bytes":            "../logqueue: c.MaxBytes",
	"http-log.queue.max_retry_time":       "../logqueue: c.MaxRetryTime",
	"http-log.queue.initial_retry_delay":  "../logqueue: c.InitialRetryDelay",
	"http-log.queue.max_retry_delay":      "../logqueue: c.MaxRetryDelay",
	"http-log.custom_fields_by_lua":       "refused",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{name: Definition().Config}, nil)
}

func TestSchema(t *testing.T) {
	schemas := plugin.NewSet(Definition()).Catalog()
	r, err := entitytest.Insert(t, schemas, "plugins", `{"name":"http-log","config":{"http_endpoint":"http://h/p"}}`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(r["config"])
	const want = `{"content_type":"application/json","custom_fields_by_lua":null,"flush_timeout":null,"headers":null,` +
		`"http_endpoint":"http://h/p","keepalive":60000,"method":"POST","queue":{"initial_retry_delay":0.01,"max_batch_size":1,` +
		`"max_bytes":null,"max_coalescing_delay":1,"max_entries":10000,"max_retry_delay":60,"max_retry_time":60},` +
		`"queue_size":null,"retry_count":null,"timeout":10000}`
	if string(got) != want || err != nil {
		t.Errorf("got  %s\nwant %s, %v", got, want, err)
	}
	if p := Definition().Priority; p != 12 {
		t.Errorf("priority %d is not Kong's", p)
	}
	for config, message := range map[string]string{
		`{}`:                           "http_endpoint: required field missing",
		`{"http_endpoint":"nowhere"}`:  "http_endpoint: missing host in url",
		`{"http_endpoint":"ftp://h/"}`: "http_endpoint: the scheme of 'ftp://h/' is ftp, expected http or https",
		`{"http_endpoint":"http://h/","method":"GET"}`:                       "method: expected one of: POST, PUT, PATCH",
		`{"http_endpoint":"http://h/","headers":{"HOST":"x"}}`:               "headers: cannot contain 'Host' header",
		`{"http_endpoint":"http://h/","headers":{"content-length":"1"}}`:     "headers: cannot contain 'Content-Length' header",
		`{"http_endpoint":"http://u:p@h/","headers":{"authorization":"x"}}`:  "specifying both an 'Authorization' header and user info",
		`{"http_endpoint":"http://h/","queue":{"max_batch_size":0}}`:         "max_batch_size: value should be between 1 and 1000000",
		`{"http_endpoint":"http://h/","queue":{"initial_retry_delay":0}}`:    "initial_retry_delay: value should be between",
		`{"http_endpoint":"http://h/","custom_fields_by_lua":{"a":"x = 1"}}`: "custom_fields_by_lua: value must be null",
	} {
		_, err := entitytest.Insert(t, schemas, "plugins", `{"name":"http-log","config":`+config+`}`)
		entitytest.Refused(t, err, message)
	}
}

// collector is an HTTP server that keeps what it is sent; the first requests are
// answered with 503.
func collector(t *testing.T, refuse int) (url string, got <-chan string) {
	t.Helper()
	sent := make(chan string, 100)
	left := refuse
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if left > 0 || err != nil {
			left--
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		auth := r.Header.Get("Authorization")
		sent <- fmt.Sprintf("%s %s %s %s %s %s", r.Method, r.URL, r.Header.Get("Content-Type"), r.Header.Get("X-Key"), auth, paths(body))
	}))
	t.Cleanup(s.Close)
	return s.URL, sent
}

// paths are the paths of the requests that a body describes.
func paths(body []byte) string {
	type entry struct {
		Request struct{ URI string }
	}
	var one entry
	if json.Unmarshal(body, &one) == nil {
		return one.Request.URI
	}
	var list []entry
	if err := json.Unmarshal(body, &list); err != nil {
		return err.Error()
	}
	all := make([]string, 0, len(list))
	for _, e := range list {
		all = append(all, e.Request.URI)
	}
	return fmt.Sprint(all)
}

func await(t *testing.T, got <-chan string) string {
	t.Helper()
	select {
	case s := <-got:
		return s
	case <-time.After(10 * time.Second):
		t.Fatal("the collector was sent nothing")
		return ""
	}
}

func TestRequests(t *testing.T) {
	origin := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for _, tt := range []struct {
		name   string
		config entity.Record
		user   string
		refuse int
		send   []string
		want   []string
	}{
		{
			name: "one by one", send: []string{"/a", "/b"},
			want: []string{"POST /log?k=v application/json   /a", "POST /log?k=v application/json   /b"},
		},
		{
			name: "as it is configured", send: []string{"/a"}, user: "u:p@",
			config: entity.Record{
				"method": "PUT", "content_type": "application/json; charset=utf-8", "headers": entity.Record{"X-Key": "1"},
				"keepalive": 0,
			},
			want: []string{"PUT /log?k=v application/json; charset=utf-8 1 Basic dTpw /a"},
		},
		{
			name: "batches", send: []string{"/a", "/b", "/c"},
			config: entity.Record{"queue": entity.Record{"max_batch_size": 3, "max_coalescing_delay": 60}},
			want:   []string{"POST /log?k=v application/json   [/a /b /c]"},
		},
		{
			name: "batches of old", send: []string{"/a", "/b"}, config: entity.Record{"queue_size": 2, "flush_timeout": 60.0},
			want: []string{"POST /log?k=v application/json   [/a /b]"},
		},
		{
			name: "tried again", send: []string{"/a"}, refuse: 2,
			want: []string{"POST /log?k=v application/json   /a"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url, got := collector(t, tt.refuse)
			config := entity.Record{"http_endpoint": strings.Replace(url, "http://", "http://"+tt.user, 1) + "/log?k=v"}
			for k, v := range tt.config {
				config[k] = v
			}
			g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()}, entity.Record{"name": name, "config": config})
			for _, path := range tt.send {
				g.Send(t, http.MethodGet, path, "")
			}
			for _, want := range tt.want {
				if s := await(t, got); s != want {
					t.Errorf("got  %s\nwant %s", s, want)
				}
			}
		})
	}
}

// TestNoCollector drops entries, and counts them; requests are served.
func TestNoCollector(t *testing.T) {
	origin := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	s := httptest.NewServer(origin)
	s.Close()
	g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()}, entity.Record{
		"name": name, "config": entity.Record{"http_endpoint": s.URL, "queue": entity.Record{"max_retry_time": -1}},
	})
	for range 3 {
		if res, _ := g.Send(t, http.MethodGet, "/", ""); res.StatusCode != http.StatusOK {
			t.Errorf("status %d", res.StatusCode)
		}
	}
	const want = "# HELP gateway_log_entries_dropped_total Entries of logging and tracing plugins that were not delivered: " +
		"full (the queue was), failed, or closed.\n# TYPE gateway_log_entries_dropped_total counter\n" +
		"gateway_log_entries_dropped_total{plugin=\"http-log\",reason=\"closed\"} 0\n" +
		"gateway_log_entries_dropped_total{plugin=\"http-log\",reason=\"failed\"} 3\n" +
		"gateway_log_entries_dropped_total{plugin=\"http-log\",reason=\"full\"} 0\n"
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if err = testutil.GatherAndCompare(g.Metrics, strings.NewReader(want), "gateway_log_entries_dropped_total"); err == nil {
			return
		}
	}
	t.Error(err)
}

// TestErrorsDoNotShowTheEndpoint, which may have a password, or come from a vault.
func TestErrorsDoNotShowTheEndpoint(t *testing.T) {
	for _, endpoint := range []string{"hunter2", "http://u:hunter2@", "http://u:hunter2@h:port/", "http://h/%zz?hunter2"} {
		c := entity.Plugin{ID: "1", Config: entity.Record{"http_endpoint": endpoint, "queue": entity.Record{"max_batch_size": 1}}}
		if _, err := newPlugin(&c, &plugin.Deps{}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}
