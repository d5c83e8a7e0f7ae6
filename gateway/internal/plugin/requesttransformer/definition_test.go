package requesttransformer

import (
	"reflect"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

var uses = entitytest.Uses{
	"request-transformer.http_method":         `.: json:"http_method" + .HTTPMethod`,
	"request-transformer.remove":              `.: json:"remove" + c.Remove`,
	"request-transformer.rename":              `.: json:"rename" + c.Rename`,
	"request-transformer.replace":             `.: json:"replace" + c.Replace`,
	"request-transformer.add":                 `.: json:"add" + c.Add`,
	"request-transformer.append":              `.: json:"append" + c.Append`,
	"request-transformer.replace.uri":         `.: json:"uri" + .URI`,
	"request-transformer.remove.body":         ".: e.remove + s.Body",
	"request-transformer.remove.headers":      ".: e.remove + s.Headers",
	"request-transformer.remove.querystring":  ".: e.remove + s.Querystring",
	"request-transformer.rename.body":         ".: e.rename + s.Body",
	"request-transformer.rename.headers":      ".: e.rename + s.Headers",
	"request-transformer.rename.querystring":  ".: e.rename + s.Querystring",
	"request-transformer.replace.body":        ".: e.replace + s.Body",
	"request-transformer.replace.headers":     ".: e.replace + s.Headers",
	"request-transformer.replace.querystring": ".: e.replace + s.Querystring",
	"request-transformer.add.body":            ".: e.add + s.Body",
	"request-transformer.add.headers":         ".: e.add + s.Headers",
	"request-transformer.add.querystring":     ".: e.add + s.Querystring",
	"request-transformer.append.body":         ".: e.append + s.Body",
	"request-transformer.append.headers":      ".: e.append + s.Headers",
	"request-transformer.append.querystring":  ".: e.append + s.Querystring",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{"request-transformer": Definition().Config}, nil)
}

func TestDefaults(t *testing.T) {
	r, err := entitytest.Insert(t, plugin.NewSet(Definition()).Catalog(), "plugins", `{"name":"request-transformer"}`)
	if err != nil {
		t.Fatal(err)
	}
	empty := func() map[string]any {
		return map[string]any{"body": []any{}, "headers": []any{}, "querystring": []any{}}
	}
	replace := empty()
	replace["uri"] = nil
	want := map[string]any{"http_method": nil, "remove": empty(), "rename": empty(), "replace": replace, "add": empty(), "append": empty()}
	if !reflect.DeepEqual(r["config"], want) {
		t.Errorf("config\n%v\nwant\n%v", r["config"], want)
	}
	if p := Definition().Priority; p != 801 {
		t.Errorf("priority %d is not Kong's", p)
	}
}

func TestRefusedConfigurations(t *testing.T) {
	schemas := plugin.NewSet(Definition()).Catalog()
	for config, want := range map[string]string{
		`{"http_method":"get"}`:                                    "config.http_method: invalid value: get",
		`{"http_method":"CONNECT"}`:                                "config.http_method: CONNECT is not supported",
		`{"add":{"headers":["X-A"]}}`:                              "config.add.headers: key 'X-A' has no value",
		`{"add":{"headers":["X A:b"]}}`:                            "config.add.headers: 'X A' is not a valid header",
		`{"add":{"headers":[":b"]}}`:                               "config.add.headers: '' is not a valid header",
		`{"add":{"headers":["X-A:b\r\nX-B: c"]}}`:                  "config.add.headers: 'b\r\nX-B: c' is not a valid header value",
		`{"add":{"headers":["Content-Length:1"]}}`:                 "header 'Content-Length' is the gateway's",
		`{"rename":{"headers":["X-A:Transfer-Encoding"]}}`:         "header 'Transfer-Encoding' is the gateway's",
		`{"add":{"headers":["Host:h"]}}`:                           "header 'host' can only be replaced",
		`{"rename":{"headers":["X-A:Host"]}}`:                      "header 'host' can only be replaced",
		`{"remove":{"headers":["X-A:b"]}}`:                         "config.remove.headers: entry 'X-A:b' must be a name alone",
		`{"rename":{"headers":["X-A"]}}`:                           "config.rename.headers: '' is not a valid header",
		`{"replace":{"body":["a"]}}`:                               "config.replace.body: key 'a' has no value",
		`{"remove":{"querystring":[":a"]}}`:                        "config.remove.querystring: entry ':a' has no name",
		`{"add":{"headers":["A:1","B:$(os.exit())"]}}`:             "config.add.headers: value '$(os.exit())' is not in supported format",
		`{"add":{"body":["a:$(shared.x)"]}}`:                       "no plugin shares values here",
		`{"add":{"body":["a:$(headers.x:upper())"]}}`:              "is not in supported format",
		`{"add":{"body":["a:$(headers.x"]}}`:                       "is not in supported format",
		`{"replace":{"uri":"x"}}`:                                  "config.replace.uri: should start with: /",
		`{"replace":{"uri":"/x?y"}}`:                               "config.replace.uri: must be a path alone",
		`{"replace":{"uri":"$(headers.x)"}}`:                       "config.replace.uri: should start with: /",
		`{"replace":{"uri":"/$(headers.x or)"}}`:                   "config.replace.uri: value",
		`{"rename":{"uri":"/x"}}`:                                  "config.rename.uri: unknown field",
		`{"add":{"json_types":[]}}`:                                "config.add.json_types: unknown field",
		`{"add":{"headers":["A:$(headers.x or \"a\" or \"b\")"]}}`: "is not in supported format",
	} {
		_, err := entitytest.Insert(t, schemas, "plugins", `{"name":"request-transformer","config":`+config+`}`)
		entitytest.Refused(t, err, want)
	}
}
