package plugin_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

// greeting is a whole plugin: it greets clients in a header of the response, and
// refuses those that are not to be greeted.
type greeting struct {
	Header string `json:"header"`
	Banned string `json:"banned"`
}

// greetingDefinition is what a plugin's package exports as Definition.
func greetingDefinition() plugin.Definition {
	return plugin.Definition{
		PluginSchema: entity.PluginSchema{
			Name: "greeting",
			Config: []entity.Field{
				{Name: "header", Kind: entity.String, Match: "header", Required: true, Default: "X-Greeting"},
				{Name: "banned", Kind: entity.String},
			},
		},
		Priority: 500,
		New: func(c *entity.Plugin, _ *plugin.Deps) (plugin.Plugin, error) {
			g := &greeting{}
			return g, plugin.DecodeConfig(c, g)
		},
	}
}

var bannedBody = []byte(`{"message":"You are not welcome"}`)

// Access runs before the upstream is asked.
func (g *greeting) Access(x *plugin.Exchange) (answered bool) {
	if x.ClientIP != g.Banned {
		return false
	}
	plugin.Answer(&x.Ctx.Response, http.StatusForbidden, bannedBody)
	return true
}

// HeaderFilter runs before the response is sent.
func (g *greeting) HeaderFilter(x *plugin.Exchange) {
	x.Ctx.Response.Header.Set(g.Header, "hello")
}

var (
	_ plugin.AccessPhase       = (*greeting)(nil)
	_ plugin.HeaderFilterPhase = (*greeting)(nil)
)

// A definition declares the schema of the configuration, from which the Admin
// API fills in defaults and checks what it is given.
func ExampleDefinition() {
	set := plugin.NewSet(greetingDefinition())
	schema, _ := set.Catalog().ByName("plugins")
	for _, body := range []string{
		`{"name":"greeting"}`,
		`{"name":"greeting","config":{"header":"a header"}}`,
	} {
		in, err := schema.DecodeJSON([]byte(body))
		if err != nil {
			fmt.Println(err)
			continue
		}
		r, err := schema.ProcessInsert(in, time.Now(), "")
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(r["config"])
	}
	// Output:
	// map[banned:<nil> header:X-Greeting]
	// schema violation (config.header: bad header name 'a header', allowed characters are A-Z, a-z, 0-9, '_', and '-')
}

// TestGreeting drives the plugin through a real proxy.
func TestGreeting(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "from the origin") })
	for _, tt := range []struct {
		name     string
		config   entity.Record
		status   int
		greeting string
		body     string
	}{
		{name: "a guest", config: entity.Record{"header": "X-Hi"}, status: 200, greeting: "hello", body: "from the origin"},
		{name: "a banned one", config: entity.Record{"banned": "127.0.0.1"}, status: 403, body: string(bannedBody)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := plugintest.Start(t, 0, origin, []plugin.Definition{greetingDefinition()},
				entity.Record{"name": "greeting", "config": tt.config})
			req, err := http.NewRequest(http.MethodGet, g.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, body := do(t, req)
			if res.StatusCode != tt.status || res.Header.Get("X-Hi") != tt.greeting || body != tt.body {
				t.Errorf("status %d, greeting %q, body %q", res.StatusCode, res.Header.Get("X-Hi"), body)
			}
		})
	}
}
