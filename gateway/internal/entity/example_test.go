package entity_test

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// An entity is decoded by its schema, completed, and checked; then it has a
// typed form.
func ExampleSchema_ProcessInsert() {
	services, _ := entity.Core().ByName("services")
	in, err := services.DecodeJSON([]byte(`{"name":"ai-api","url":"http://origin:9000/v1"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := services.ProcessInsert(in, time.Unix(1000, 0), "0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01")
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := entity.Decode[entity.Service](r)
	fmt.Println(s.Host, s.Port, s.Path, s.Retries, s.CreatedAt, err)
	// Output: origin 9000 /v1 5 1000 <nil>
}

// What is wrong is an *entity.Error: a message for each field, and the status
// that the client is answered with.
func ExampleError() {
	services, _ := entity.Core().ByName("services")
	in, _ := services.DecodeJSON([]byte(`{"port":99999}`))
	_, err := services.ProcessInsert(in, time.Unix(1000, 0), "")
	var e *entity.Error
	if errors.As(err, &e) {
		fmt.Println(e.Status(), e.Message)
		fmt.Println(e.Fields)
	}
	// Output:
	// 400 2 schema violations (host: required field missing; port: value should be between 0 and 65535)
	// map[host:required field missing port:value should be between 0 and 65535]
}

// A form is text: the schema says what each value is meant to be.
func ExampleSchema_DecodeForm() {
	routes, _ := entity.Core().ByName("routes")
	form, _ := url.ParseQuery("paths[]=/a&paths[]=/b&strip_path=false&regex_priority=5&headers.x-a[]=1")
	r, err := routes.DecodeForm(form)
	fmt.Println(r["paths"], r["strip_path"], r["regex_priority"], r["headers"], err)
	// Output: [/a /b] false 5 map[x-a:[1]] <nil>
}

// A change is merged into what is stored: records deeply, everything else is
// replaced.
func ExampleSchema_ProcessUpdate() {
	upstreams, _ := entity.Core().ByName("upstreams")
	stored, _ := upstreams.ProcessInsert(entity.Record{"name": "u.example"}, time.Unix(1000, 0), "")
	change := entity.Record{"healthchecks": map[string]any{"active": map[string]any{"http_path": "/health"}}}
	r, err := upstreams.ProcessUpdate(stored, change, time.Unix(2000, 0))
	u, _ := entity.Decode[entity.Upstream](r)
	fmt.Println(u.Healthchecks.Active.HTTPPath, u.Healthchecks.Active.Concurrency, r["created_at"], r["updated_at"], err)
	// Output: /health 10 1000 2000 <nil>
}

// A catalog has the schemas of all entities and of the plugins that it was
// given.
func ExampleCatalog() {
	c := entity.NewCatalog([]*entity.PluginSchema{{
		Name:   "greeting",
		Config: []entity.Field{{Name: "header", Kind: entity.String, Default: "X-Greeting"}},
	}})
	plugins, _ := c.ByName("plugins")
	r, err := plugins.ProcessInsert(entity.Record{"name": "greeting"}, time.Unix(1000, 0), "")
	fmt.Println(c.PluginNames(), r["config"], err)
	_, err = plugins.ProcessInsert(entity.Record{"name": "farewell"}, time.Unix(1000, 0), "")
	fmt.Println(err)
	// Output:
	// [greeting] map[header:X-Greeting] <nil>
	// schema violation (name: plugin 'farewell' not enabled; add it to the 'plugins' configuration property)
}
