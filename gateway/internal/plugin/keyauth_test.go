package plugin

import (
	"testing"

	"github.com/valyala/fasthttp"

	"gatelab/gateway/internal/entity"
)

func TestKeyAuth(t *testing.T) {
	directory := NewDirectory(&entity.Config{
		Consumers: []entity.Consumer{{ID: "c1", Username: "alice", CustomID: "A"}, {ID: "c2", Username: "guest"}},
		KeyAuths:  []entity.KeyAuth{{ID: "k1", Key: "good", Consumer: entity.Ref{ID: "c1"}}, {ID: "k9", Key: "orphan", Consumer: entity.Ref{ID: "gone"}}},
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
		who     string // username the upstream is told
		forward string // target, key header and body afterwards
	}{
		{"no key", nil, "GET", "/", "", "", none, "", "/||"},
		{"a key nobody has", nil, "GET", "/", "bad", "", wrong, "", "/|bad|"},
		{"a key of a consumer that is gone", nil, "GET", "/", "orphan", "", wrong, "", "/|orphan|"},
		{"a key in the header", nil, "GET", "/", "good", "", "", "alice", "/|good|"},
		{"a key in the query", nil, "GET", "/a%20b?x=1&apikey=good", "", "", "", "alice", "/a%20b?x=1&apikey=good||"},
		{"a key in a form", nil, "POST", "/", "", "apikey=good&x=1", "", "alice", "/||apikey=good&x=1"},
		{"the header is not looked at", map[string]any{"key_in_header": false}, "GET", "/", "good", "", none, "", "/|good|"},
		{"the query is not looked at", map[string]any{"key_in_query": false}, "GET", "/?apikey=good", "", "", none, "", "/?apikey=good||"},
		{"the form is not looked at", map[string]any{"key_in_body": false}, "POST", "/", "", "apikey=good", none, "", "/||apikey=good"},
		{"the key is hidden everywhere", map[string]any{"hide_credentials": true}, "POST", "/a%20b?apikey=good&x=1", "good", "apikey=good&y=2", "", "alice", "/a%20b?x=1||y=2"},
		{"the key was the whole query", map[string]any{"hide_credentials": true}, "GET", "/?apikey=good", "", "", "", "alice", "/||"},
		{"nobody may be somebody", map[string]any{"anonymous": "guest"}, "GET", "/", "bad", "", "", "guest", "/|bad|"},
		{"nobody by id", map[string]any{"anonymous": "c2"}, "GET", "/", "", "", "", "guest", "/||"},
		{"nobody who does not exist", map[string]any{"anonymous": "nemo"}, "GET", "/", "", "", none, "", "/||"},
		{"a preflight request is asked too", nil, "OPTIONS", "/", "", "", none, "", "/||"},
		{"a preflight request passes", map[string]any{"run_on_preflight": false}, "OPTIONS", "/", "", "", "", "", "/||"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := map[string]any{"key_names": []any{"key", "apikey"}, "key_in_header": true, "key_in_query": true, "key_in_body": true, "run_on_preflight": true}
			for k, v := range c.config {
				config[k] = v
			}
			p, err := newKeyAuth(&entity.Plugin{Name: "key-auth", Config: config}, nil)
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
			x := &Exchange{Ctx: ctx, Directory: directory}
			got := ""
			if p.Access(x) {
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
				t.Errorf("the upstream is told %q, want %q", who, c.who)
			}
			if c.who == "alice" && (string(h.Peek("X-Consumer-Custom-Id")) != "A" || string(h.Peek("X-Credential-Identifier")) != "k1" || h.Peek("X-Anonymous-Consumer") != nil) ||
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
