package correlationid

import (
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"correlation-id.header_name":     `.: json:"header_name" + .HeaderName`,
	"correlation-id.generator":       `.: json:"generator" + .Generator`,
	"correlation-id.echo_downstream": `.: json:"echo_downstream" + .EchoDownstream`,
}

func TestSchema(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{"correlation-id": Definition().Config}, nil)
	schemas := plugin.NewSet(Definition()).Catalog()
	r, err := entitytest.Insert(t, schemas, "plugins", `{"name":"correlation-id"}`)
	want := map[string]any{"header_name": "Kong-Request-ID", "generator": "uuid#counter", "echo_downstream": false}
	if err != nil || !reflect.DeepEqual(r["config"], want) || Definition().Priority != 100001 {
		t.Errorf("config %v, %v", r["config"], err)
	}
	_, err = entitytest.Insert(t, schemas, "plugins", `{"name":"correlation-id","config":{"generator":"x"}}`)
	entitytest.Refused(t, err, "config.generator: expected one of: uuid, uuid#counter, tracker")
	for _, name := range []string{"Connection", "Content-Length", "Transfer-Encoding", "trailer", "Host"} {
		_, err = entitytest.Insert(t, schemas, "plugins", `{"name":"correlation-id","config":{"header_name":"`+name+`"}}`)
		entitytest.Refused(t, err, "config.header_name: header '")
	}
}

func TestIDs(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Id", "upstream's")
		fmt.Fprint(w, r.Header["X-Id"])
	})
	const id = `[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`
	for generator, form := range map[string]string{
		"uuid": `^\[` + id + `\]$`, "uuid#counter": `^\[` + id + `#[12]\]$`, "tracker": `^\[127\.0\.0\.1-\d+-\d+-\d+-\d+-\d+\.\d{3}\]$`,
	} {
		g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()}, entity.Record{
			"name": "correlation-id", "config": entity.Record{"header_name": "X-Id", "generator": generator, "echo_downstream": true},
		})
		res, first := g.Send(t, http.MethodGet, "/", "", "X-Id:")
		_, second := g.Send(t, http.MethodGet, "/", "")
		if !regexp.MustCompile(form).MatchString(first) || first == second || "["+res.Header.Get("X-Id")+"]" != first {
			t.Errorf("%s: %s, echoed as %s, then %s", generator, first, res.Header.Get("X-Id"), second)
		}
		if res, got := g.Send(t, http.MethodGet, "/", "", "X-Id:mine", "X-Id:other"); got != "[mine]" || res.Header.Get("X-Id") != "mine" {
			t.Errorf("%s: the client's own became %s, echoed as %s", generator, got, res.Header.Get("X-Id"))
		}
	}
	g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()}, entity.Record{
		"name": "correlation-id", "config": entity.Record{"header_name": "X-Id"},
	})
	if res, _ := g.Send(t, http.MethodGet, "/", ""); res.Header.Get("X-Id") != "upstream's" {
		t.Errorf("echoed unasked: %s", res.Header.Get("X-Id"))
	}
}
