package keyauth

import (
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

func TestKeyAuth(t *testing.T) {
	directory := plugin.NewDirectory(&entity.Config{
		Consumers: []entity.Consumer{{ID: "c1", Username: "alice", CustomID: "A"}, {ID: "c2", Username: "guest"}},
		KeyAuths: []entity.KeyAuth{{ID: "k1", Key: "good", Consumer: entity.Ref{ID: "c1"}},
			{ID: "k9", Key: "orphan", Consumer: entity.Ref{ID: "gone"}}},
	})
	const (
		none  = `401 {"message":"No API key found in request"}`
		wrong = `401 {"message":"Unauthorized"}`
		form  = "application/x-www-form-urlencoded"
	)
	for _, c := range []struct {
		name    string
		config  map[string]any // over key_names [key, apikey], everywhere
		method  string
		target  string
		header  string // a key in the header "apikey"
		body    string
		want    string // "" passes
		who     string // username in X-Consumer-Username at the upstream
		forward string // target, key header and body afterwards
	}{
		{name: "no key", method: "GET", target: "/", want: none, forward: "/||"},
		{name: "an unknown key", method: "GET", target: "/", header: "bad", want: wrong, forward: "/|bad|"},
		{name: "a key of a consumer that is gone", method: "GET", target: "/", header: "orphan", want: wrong, forward: "/|orphan|"},
		{name: "a key in the header", method: "GET", target: "/", header: "good", who: "alice", forward: "/|good|"},
		{name: "a key in the query", method: "GET", target: "/a%20b?x=1&apikey=good", who: "alice", forward: "/a%20b?x=1&apikey=good||"},
		{name: "a key in a form", method: "POST", target: "/", body: "apikey=good&x=1", who: "alice", forward: "/||apikey=good&x=1"},
		{
			name: "the header is not looked at", config: map[string]any{"key_in_header": false}, method: "GET", target: "/",
			header: "good", want: none, forward: "/|good|",
		},
		{
			name: "the query is not looked at", config: map[string]any{"key_in_query": false}, method: "GET",
			target: "/?apikey=good", want: none, forward: "/?apikey=good||",
		},
		{
			name: "the form is not looked at", config: map[string]any{"key_in_body": false}, method: "POST", target: "/",
			body: "apikey=good", want: none, forward: "/||apikey=good",
		},
		{
			name: "the key is hidden everywhere", config: map[string]any{"hide_credentials": true}, method: "POST",
			target: "/a%20b?apikey=good&x=1", header: "good", body: "apikey=good&y=2", who: "alice", forward: "/a%20b?x=1||y=2",
		},
		{
			name: "the key was the whole query", config: map[string]any{"hide_credentials": true}, method: "GET",
			target: "/?apikey=good", who: "alice", forward: "/||",
		},
		{
			name: "an anonymous consumer", config: map[string]any{"anonymous": "guest"}, method: "GET", target: "/",
			header: "bad", who: "guest", forward: "/|bad|",
		},
		{
			name: "an anonymous consumer by id", config: map[string]any{"anonymous": "c2"},
			method: "GET", target: "/", who: "guest", forward: "/||",
		},
		{
			name: "an anonymous consumer that does not exist", config: map[string]any{"anonymous": "nemo"}, method: "GET", target: "/",
			want: none, forward: "/||",
		},
		{name: "a preflight request is asked too", method: "OPTIONS", target: "/", want: none, forward: "/||"},
		{
			name: "a preflight request passes", config: map[string]any{"run_on_preflight": false}, method: "OPTIONS", target: "/",
			forward: "/||",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := map[string]any{"key_names": []any{"key", "apikey"}, "key_in_header": true, "key_in_query": true,
				"key_in_body": true, "run_on_preflight": true}
			for k, v := range c.config {
				config[k] = v
			}
			p, err := newPlugin(&entity.Plugin{Name: "key-auth", Config: config}, nil)
			if err != nil {
				t.Fatal(err)
			}
			var req fasthttp.Request
			req.Header.SetMethod(c.method)
			req.SetRequestURI(c.target)
			req.Header.SetHost("x")
			if c.header != "" {
				req.Header.Set("apikey", c.header)
			}
			if c.body != "" {
				req.Header.SetContentType(form)
				req.SetBodyString(c.body)
			}
			ctx := &fasthttp.RequestCtx{}
			ctx.Init(&req, nil, nil)
			x := &plugin.Exchange{Ctx: ctx, Directory: directory}
			got := ""
			if p.(plugin.AccessPhase).Access(x) {
				got = itoa(ctx.Response.StatusCode()) + " " + string(ctx.Response.Body())
				if v := string(ctx.Response.Header.Peek("WWW-Authenticate")); v != `Key realm="kong"` {
					t.Errorf("WWW-Authenticate: %s", v)
				}
			}
			if got != c.want {
				t.Errorf("answered %q, want %q", got, c.want)
			}
			h := &ctx.Request.Header
			if who := string(h.Peek("X-Consumer-Username")); who != c.who {
				t.Errorf("X-Consumer-Username at the upstream is %q, want %q", who, c.who)
			}
			if c.who == "alice" && (string(h.Peek("X-Consumer-Custom-Id")) != "A" ||
				string(h.Peek("X-Credential-Identifier")) != "k1" || h.Peek("X-Anonymous-Consumer") != nil) ||
				c.who == "guest" && (string(h.Peek("X-Anonymous-Consumer")) != "true" || h.Peek("X-Credential-Identifier") != nil) {
				t.Errorf("the upstream is told %s", h)
			}
			if f := string(h.RequestURI()) + "|" + string(h.Peek("apikey")) + "|" + string(ctx.Request.Body()); f != c.forward {
				t.Errorf("forwarded %q, want %q", f, c.forward)
			}
		})
	}
}

func itoa(n int) string { return string(fasthttp.AppendUint(nil, n)) }
