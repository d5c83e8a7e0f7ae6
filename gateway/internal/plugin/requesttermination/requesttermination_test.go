package requesttermination

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"request-termination.status_code":  `.: json:"status_code" + in.StatusCode`,
	"request-termination.message":      `.: json:"message" + in.Message`,
	"request-termination.content_type": `.: json:"content_type" + in.ContentType`,
	"request-termination.body":         `.: json:"body" + in.Body`,
	"request-termination.echo":         "refused",
	"request-termination.trigger":      `.: json:"trigger" + in.Trigger`,
}

func TestSchema(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{"request-termination": Definition().Config}, nil)
	schemas := plugin.NewSet(Definition()).Catalog()
	for config, want := range map[string]string{
		`{"message":"a","body":"b"}`:       "message cannot be used with content_type or body",
		`{"content_type":"text/plain"}`:    "content_type requires a body",
		`{"echo":true}`:                    "config.echo: value must be false: requests are not echoed",
		`{"status_code":100}`:              "config.status_code: value should be between 200 and 599",
		`{"body":"b","content_type":"\n"}`: "config.content_type: invalid value",
		`{"trigger":"a b"}`:                "config.trigger: bad header name",
	} {
		_, err := entitytest.Insert(t, schemas, "plugins", `{"name":"request-termination","config":`+config+`}`)
		entitytest.Refused(t, err, want)
	}
	if p := Definition().Priority; p != 2 {
		t.Errorf("priority %d is not Kong's", p)
	}
}

func TestAnswers(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "upstream") })
	const js = "application/json; charset=utf-8"
	on := entity.Record{"trigger": "X-Stop", "status_code": 404}
	for _, tt := range []struct {
		config entity.Record
		target string
		header []string
		want   string
	}{
		{want: `503 {"message":"Service unavailable"} ` + js},
		{config: entity.Record{"message": `so "be" it`, "status_code": 200}, want: `200 {"message":"so \"be\" it"} ` + js},
		{config: entity.Record{"status_code": 418}, want: "418  "},
		{config: entity.Record{"status_code": 204}, want: "204  "},
		{config: entity.Record{"body": "<p>", "content_type": "text/html"}, want: "503 <p> text/html"},
		{config: entity.Record{"body": "text"}, want: "503 text text/plain; charset=utf-8"},
		{config: on, want: "200 upstream text/plain; charset=utf-8"},
		{config: on, header: []string{"x-stop:"}, want: `404 {"message":"Not found"} ` + js},
		{config: on, target: "?a=1&X-Stop", want: `404 {"message":"Not found"} ` + js},
		{config: on, target: "?a=X-Stop", want: "200 upstream text/plain; charset=utf-8"},
	} {
		g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()},
			entity.Record{"name": "request-termination", "config": tt.config})
		res, body := g.Send(t, http.MethodGet, "/"+tt.target, "", tt.header...)
		if got := fmt.Sprintf("%d %s %s", res.StatusCode, body, res.Header.Get("Content-Type")); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.config, got, tt.want)
		}
	}
}

// TestAnEarlierRequestIsNoTrigger has a trigger that the codec keeps apart from
// other fields.
func TestAnEarlierRequestIsNoTrigger(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "upstream") })
	g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()}, entity.Record{
		"name": "request-termination", "config": entity.Record{"trigger": "User-Agent", "status_code": 404, "message": "stopped"},
	})
	got := g.Raw(t, "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	if !strings.Contains(got, "stopped") || !strings.HasSuffix(got, "upstream") {
		t.Errorf("got %s", got)
	}
}
