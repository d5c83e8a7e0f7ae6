package requestsize

import (
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"request-size-limiting.allowed_payload_size":   `.: json:"allowed_payload_size" + .AllowedPayloadSize`,
	"request-size-limiting.size_unit":              `.: json:"size_unit" + .SizeUnit`,
	"request-size-limiting.require_content_length": `.: json:"require_content_length" + .RequireContentLength`,
}

func TestSchema(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{"request-size-limiting": Definition().Config}, nil)
	schemas := plugin.NewSet(Definition()).Catalog()
	r, err := entitytest.Insert(t, schemas, "plugins", `{"name":"request-size-limiting"}`)
	want := map[string]any{"allowed_payload_size": int64(128), "size_unit": "megabytes", "require_content_length": false}
	if err != nil || !reflect.DeepEqual(r["config"], want) || Definition().Priority != 951 {
		t.Errorf("config %v, %v", r["config"], err)
	}
	for config, want := range map[string]string{
		`{"size_unit":"gigabytes"}`:      "config.size_unit: expected one of: megabytes, kilobytes, bytes",
		`{"allowed_payload_size":-1}`:    "config.allowed_payload_size: value should be between",
		`{"allowed_payload_size":1.5}`:   "config.allowed_payload_size: expected an integer",
		`{"require_content_length":"x"}`: "config.require_content_length: expected a boolean",
	} {
		_, err := entitytest.Insert(t, schemas, "plugins", `{"name":"request-size-limiting","config":`+config+`}`)
		entitytest.Refused(t, err, want)
	}
}

func TestSizes(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, err)
	})
	const large = `413 {"message":"Request size limit exceeded"}`
	const lengthless = `411 {"message":"A valid Content-Length header is required"}`
	inBytes := entity.Record{"size_unit": "bytes", "allowed_payload_size": 5000}
	nothing := entity.Record{"size_unit": "bytes", "allowed_payload_size": 0}
	strict := entity.Record{"size_unit": "kilobytes", "allowed_payload_size": 2, "require_content_length": true}
	for _, tt := range []struct {
		name    string
		config  entity.Record
		size    int
		chunked bool
		header  []string
		want    string
	}{
		{name: "no body", config: inBytes, want: "200 0 <nil>"},
		{name: "as much as may be", config: inBytes, size: 5000, want: "200 5000 <nil>"},
		{name: "more", config: inBytes, size: 5001, want: large},
		{name: "more, of a client that waits", config: inBytes, size: 5001, header: []string{"Expect:100-continue"}, want: large},
		{name: "in chunks", config: inBytes, size: 5000, chunked: true, want: "200 5000 <nil>"},
		{name: "more in chunks", config: inBytes, size: 50_000, chunked: true, want: large},
		{name: "without a length", config: strict, size: 10, chunked: true, want: lengthless},
		{name: "nothing is allowed", config: nothing, want: "200 0 <nil>"},
		{name: "nothing is allowed, and nothing in chunks", config: nothing, chunked: true, want: "200 0 <nil>"},
		{name: "nothing is allowed, and a byte", config: nothing, size: 1, want: large},
		{name: "nothing is allowed, and a byte in chunks", config: nothing, size: 1, chunked: true, want: large},
		{name: "nothing is allowed, and many in chunks", config: nothing, size: 5000, chunked: true, want: large},
		{name: "kilobytes", config: strict, size: 2048, want: "200 2048 <nil>"},
		{name: "more kilobytes", config: strict, size: 2049, want: large},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()},
				entity.Record{"name": "request-size-limiting", "config": tt.config})
			var body io.Reader = strings.NewReader(strings.Repeat("a", tt.size))
			if tt.chunked {
				body = struct{ io.Reader }{body}
			}
			res, got := g.SendBody(t, http.MethodPost, "/", body, tt.header...)
			if got = fmt.Sprintf("%d %s", res.StatusCode, got); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
