package botdetection

import (
	"fmt"
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
	"bot-detection.allow": `.: json:"allow" + in.Allow`,
	"bot-detection.deny":  `.: json:"deny" + in.Deny`,
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{"bot-detection": Definition().Config}, nil)
}

func TestSchema(t *testing.T) {
	schemas := plugin.NewSet(Definition()).Catalog()
	r, err := entitytest.Insert(t, schemas, "plugins", `{"name":"bot-detection"}`)
	if want := map[string]any{"allow": []any{}, "deny": []any{}}; err != nil || !reflect.DeepEqual(r["config"], want) {
		t.Errorf("config %v, %v", r["config"], err)
	}
	if p := Definition().Priority; p != 2500 {
		t.Errorf("priority %d is not Kong's", p)
	}
	_, err = entitytest.Insert(t, schemas, "plugins", `{"name":"bot-detection","config":{"deny":["("]}}`)
	entitytest.Refused(t, err, "not a valid regex")
}

func TestRequests(t *testing.T) {
	const (
		passed  = "200 up"
		refused = `403 {"message":"Forbidden"}`
	)
	lists := entity.Record{"allow": []any{"Googlebot", "^friend$"}, "deny": []any{"curl/", "friend"}}
	for _, tt := range []struct {
		name, agent string
		config      entity.Record
		want        string
	}{
		{name: "a browser", agent: "Mozilla/5.0 (X11; Linux x86_64; rv:139.0) Gecko/20100101 Firefox/139.0", want: passed},
		{name: "nothing", agent: "", want: passed},
		{name: "a client of an API", agent: "curl/8.5.0", want: passed},
		{name: "a telephone", agent: "Mozilla/5.0 (Linux; Android 5.1; CUBOT NOTE S) Mobile Safari/537.36", want: passed},
		{name: "a robot", agent: "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", want: refused},
		{name: "another robot", agent: "Twitterbot/1.0", want: refused},
		{name: "a spider", agent: "my-spider 1.0", want: refused},
		{name: "a preview", agent: "facebookexternalhit/1.1", want: refused},
		{name: "a library", agent: "Apache-HttpClient/4.5.14 (Java/17)", want: refused},
		{name: "allowed robot", agent: "Googlebot/2.1", config: lists, want: passed},
		{name: "allowed and denied", agent: " friend ", config: lists, want: passed},
		{name: "denied", agent: "friends", config: lists, want: refused},
		{name: "denied client", agent: "curl/8.5.0", config: lists, want: refused},
		{name: "a long one", agent: strings.Repeat("a", 4000), want: passed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			origin := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "up") })
			g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()}, entity.Record{"name": "bot-detection", "config": tt.config})
			res, body := g.Send(t, http.MethodGet, "/", "", "User-Agent:"+tt.agent)
			if got := fmt.Sprintf("%d %s", res.StatusCode, body); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestTheUpstreamGetsTheAgentThatWasLookedAt where a request has several.
func TestTheUpstreamGetsTheAgentThatWasLookedAt(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "up %q", r.Header["User-Agent"]) })
	g := plugintest.Start(t, 0, origin, []plugin.Definition{Definition()}, entity.Record{"name": "bot-detection"})
	const request = "GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: %s\r\nUser-Agent: %s\r\nConnection: close\r\n\r\n"
	if got := g.Raw(t, fmt.Sprintf(request, "curl", "Googlebot")); !strings.Contains(got, " 403 ") {
		t.Error(got)
	}
	if got := g.Raw(t, fmt.Sprintf(request, "Googlebot", "curl")); !strings.Contains(got, `up ["curl"]`) {
		t.Error(got)
	}
}
