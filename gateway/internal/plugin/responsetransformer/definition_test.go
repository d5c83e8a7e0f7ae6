package responsetransformer

import (
	"reflect"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

var uses = entitytest.Uses{
	"response-transformer.remove":             `.: json:"remove" + in.Remove`,
	"response-transformer.rename":             `.: json:"rename" + in.Rename`,
	"response-transformer.replace":            `.: json:"replace" + in.Replace`,
	"response-transformer.add":                `.: json:"add" + in.Add`,
	"response-transformer.append":             `.: json:"append" + in.Append`,
	"response-transformer.remove.json":        ".: in.Remove.JSON + p.removeJSON",
	"response-transformer.replace.json":       ".: s.from.JSON + p.replaceJSON",
	"response-transformer.add.json":           ".: s.from.JSON + p.addJSON",
	"response-transformer.append.json":        ".: s.from.JSON + p.pushJSON",
	"response-transformer.replace.json_types": ".: s.from.Types",
	"response-transformer.add.json_types":     ".: s.from.Types",
	"response-transformer.append.json_types":  ".: s.from.Types",
	"response-transformer.remove.headers":     ".: in.Remove.Headers + p.remove",
	"response-transformer.rename.headers":     ".: in.Rename.Headers + p.rename",
	"response-transformer.replace.headers":    ".: in.Replace.Headers + p.replace",
	"response-transformer.add.headers":        ".: in.Add.Headers + p.add",
	"response-transformer.append.headers":     ".: in.Append.Headers + p.append",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{"response-transformer": Definition().Config}, nil)
}

func TestDefaults(t *testing.T) {
	r, err := entitytest.Insert(t, plugin.NewSet(Definition()).Catalog(), "plugins", `{"name":"response-transformer"}`)
	if err != nil {
		t.Fatal(err)
	}
	typed := func() map[string]any {
		return map[string]any{"headers": []any{}, "json": []any{}, "json_types": []any{}}
	}
	want := map[string]any{
		"remove": map[string]any{"headers": []any{}, "json": []any{}}, "rename": map[string]any{"headers": []any{}},
		"replace": typed(), "add": typed(), "append": typed(),
	}
	if !reflect.DeepEqual(r["config"], want) {
		t.Errorf("config\n%v\nwant\n%v", r["config"], want)
	}
	if p := Definition().Priority; p != 800 {
		t.Errorf("priority %d is not Kong's", p)
	}
}

func TestRefusedConfigurations(t *testing.T) {
	schemas := plugin.NewSet(Definition()).Catalog()
	for config, want := range map[string]string{
		`{"add":{"headers":["X-A"]}}`:                                     "config.add.headers: key 'X-A' has no value",
		`{"add":{"headers":["X-A:\n"]}}`:                                  "is not a valid header value",
		`{"remove":{"headers":["Content-Length"]}}`:                       "header 'Content-Length' is the gateway's",
		`{"remove":{"json":["a:b"]}}`:                                     "config.remove.json: entry 'a:b' must be a name alone",
		`{"add":{"json":["a"]}}`:                                          "config.add.json: key 'a' has no value",
		`{"add":{"json":["a:1"],"json_types":["integer"]}}`:               "config.add.json_types: expected one of: boolean, number, string",
		`{"add":{"json":["a:1","b:x"],"json_types":["number","number"]}}`: "config.add.json: value 'x' of 'b' is no number",
		`{"append":{"json":["a:1"],"json_types":["boolean"]}}`:            "config.append.json: value '1' of 'a' is no boolean",
		`{"replace":{"json":[],"json_types":["boolean"]}}`:                "config.replace.json_types: there are 1 types for 0 values of json",
		`{"rename":{"json":["a:b"]}}`:                                     "config.rename.json: unknown field",
	} {
		_, err := entitytest.Insert(t, schemas, "plugins", `{"name":"response-transformer","config":`+config+`}`)
		entitytest.Refused(t, err, want)
	}
}
