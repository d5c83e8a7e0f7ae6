package keyauth

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// keyed sends one request through key-auth, and tells how it is answered and
// what the upstream would get: target, header "apikey", body.
func keyed(t testing.TB, config map[string]any, edit func(r *fasthttp.Request)) (answer string, r *fasthttp.Request) {
	t.Helper()
	full := map[string]any{"key_names": []any{"apikey"}, "key_in_header": true, "key_in_query": true, "key_in_body": true,
		"hide_credentials": true}
	for k, v := range config {
		full[k] = v
	}
	p, err := newPlugin(&entity.Plugin{Name: "key-auth", Config: full}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := &fasthttp.RequestCtx{}
	ctx.Request.Header.SetHost("x")
	ctx.Request.SetRequestURI("/")
	edit(&ctx.Request)
	directory := plugin.NewDirectory(&entity.Config{Consumers: []entity.Consumer{{ID: "c1", Username: "alice"}},
		KeyAuths: []entity.KeyAuth{{ID: "k1", Key: "K", Consumer: entity.Ref{ID: "c1"}}, {ID: "k2", Key: "a b", Consumer: entity.Ref{ID: "c1"}}}})
	if p.(plugin.AccessPhase).Access(&plugin.Exchange{Ctx: ctx, Directory: directory}) {
		answer = itoa(ctx.Response.StatusCode()) + " " + string(ctx.Response.Body())
	}
	return answer, &ctx.Request
}

func TestHidingCutsOnlyThePair(t *testing.T) {
	for query, want := range map[string]string{
		"apikey=K":                           "/x",
		"apikey=K&":                          "/x?",
		"&apikey=K":                          "/x?",
		"apikey=K&time[0:1:0]":               "/x?time[0:1:0]",
		"time[0:1:0]&apikey=K":               "/x?time[0:1:0]",
		"q=a%20b&apikey=K&r=a+b":             "/x?q=a%20b&r=a+b",
		"sig=abc==&apikey=K":                 "/x?sig=abc==",
		"flag&apikey=K&empty=":               "/x?flag&empty=",
		"b=2&apikey=K&a=1&b=3":               "/x?b=2&a=1&b=3",
		"a&&apikey=K&&b":                     "/x?a&&&b",
		"%61pikey=K&a=%61":                   "/x?a=%61",
		"apikey=%4b&a=1":                     "/x?a=1",
		"a=1&apikey=K&next=http://e.test/?a": "/x?a=1&next=http://e.test/?a",
		"apikey&apikey=K&a":                  "/x?a",
		"apikeys=1&apikey=K&xapikey=2":       "/x?apikeys=1&xapikey=2",
		"apikey=a+b&c":                       "/x?c",
		"raw=%e9%&apikey=K":                  "/x?raw=%e9%",
	} {
		answer, r := keyed(t, nil, func(r *fasthttp.Request) { r.SetRequestURI("/x?" + query) })
		if got := string(r.Header.RequestURI()); answer != "" || got != want {
			t.Errorf("?%s: answered %q, the upstream is asked for %s, want %s", query, answer, got, want)
		}
	}
}

func TestWhichKeyCounts(t *testing.T) {
	const (
		none  = `401 {"message":"No API key found in request"}`
		wrong = `401 {"message":"Unauthorized"}`
		many  = `401 {"message":"Duplicate API key found"}`
	)
	type r = fasthttp.Request
	for name, c := range map[string]struct {
		edit func(r *r)
		want string
	}{
		"the header before the query": {edit: func(r *r) { r.Header.Set("apikey", "K"); r.SetRequestURI("/?apikey=bad") }},
		"a wrong header":              {edit: func(r *r) { r.Header.Set("apikey", "bad"); r.SetRequestURI("/?apikey=K") }, want: wrong},
		"an empty header":             {edit: func(r *r) { r.Header.Set("apikey", ""); r.SetRequestURI("/?apikey=K") }, want: none},
		"two headers":                 {edit: func(r *r) { r.Header.Add("apikey", "K"); r.Header.Add("apikey", "K") }, want: many},
		"two in the query":            {edit: func(r *r) { r.SetRequestURI("/?apikey=K&apikey=other") }, want: many},
		"two spellings in the query":  {edit: func(r *r) { r.SetRequestURI("/?apikey=K&%61pikey=K") }, want: many},
		"an empty one in the query":   {edit: func(r *r) { r.SetRequestURI("/?apikey=") }, want: none},
		"a bare one in the query":     {edit: func(r *r) { r.SetRequestURI("/?apikey") }, want: none},
		"a space around it":           {edit: func(r *r) { r.SetRequestURI("/?apikey=%20K") }, want: wrong},
		"two in a form": {edit: func(r *r) {
			r.Header.SetMethod("POST")
			r.Header.SetContentType("application/x-www-form-urlencoded")
			r.SetBodyString("apikey=K&apikey=L")
		}, want: many},
		"two in JSON": {edit: func(r *r) {
			r.Header.SetMethod("POST")
			r.Header.SetContentType("application/json")
			r.SetBodyString(`{"apikey":"K","\u0061pikey":"L"}`)
		}, want: many},
		"a number in JSON": {edit: func(r *r) {
			r.Header.SetMethod("POST")
			r.Header.SetContentType("application/json")
			r.SetBodyString(`{"apikey":1}`)
		}, want: none},
		"deep in JSON": {edit: func(r *r) {
			r.Header.SetMethod("POST")
			r.Header.SetContentType("application/json")
			r.SetBodyString(`{"a":{"apikey":"K"}}`)
		}, want: none},
		"a form that is called text": {edit: func(r *r) {
			r.Header.SetMethod("POST")
			r.Header.SetContentType("text/plain")
			r.SetBodyString("apikey=K")
		}, want: none},
		"a body beyond the bound": {edit: func(r *r) {
			r.Header.SetMethod("POST")
			r.Header.SetContentType("application/x-www-form-urlencoded")
			r.SetBodyString("apikey=K&a=" + strings.Repeat("x", maxKeyBody))
		}, want: none},
	} {
		if answer, _ := keyed(t, nil, c.edit); answer != c.want {
			t.Errorf("%s: answered %q, want %q", name, answer, c.want)
		}
	}
}

func TestHidingInABodyLeavesTheRest(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	const js = "application/json"
	const multi = "multipart/form-data; boundary=B"
	part := func(name, value string) string {
		return "--B\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
	}
	for _, c := range []struct{ kind, body, want string }{
		{kind: form, body: "a=1&apikey=K&b=%20c&d=x%2By", want: "a=1&b=%20c&d=x%2By"},
		{kind: form, body: "apikey=K"},
		{kind: js, body: `{"apikey":"K","n":1}`, want: `{"n":1}`},
		{kind: js, body: `{"n":1,"apikey":"K"}`, want: `{"n":1}`},
		{kind: js, body: `{"apikey":"K"}`, want: `{}`},
		{
			kind: js, body: "{\n  \"a\": [1, {\"x\": \"]\"}],\n  \"apikey\": \"K\",\n  \"n\": 1.50e3\n}\n",
			want: "{\n  \"a\": [1, {\"x\": \"]\"}],\n  \"n\": 1.50e3\n}\n",
		},
		{kind: js + "; charset=utf-8", body: `{"n":1, "\u0061pikey":"\u004b" ,"m":{"apikey":"K"}}`, want: `{"n":1 ,"m":{"apikey":"K"}}`},
		{
			kind: multi, body: "preamble\r\n" + part("apikey", "K") + part("file", "--Bx\r\nv") + "--B--\r\nepilogue",
			want: "preamble\r\n" + part("file", "--Bx\r\nv") + "--B--\r\nepilogue",
		},
		{kind: multi, body: part("file", "v") + part("apikey", "K") + "--B--", want: part("file", "v") + "--B--"},
	} {
		answer, r := keyed(t, nil, func(r *fasthttp.Request) {
			r.Header.SetMethod("POST")
			r.Header.SetContentType(c.kind)
			r.SetBodyString(c.body)
			r.Header.SetContentLength(len(c.body))
		})
		if got := string(r.Body()); answer != "" || got != c.want || r.Header.ContentLength() != len(c.want) ||
			string(r.Header.ContentType()) != c.kind {
			t.Errorf("%s %q: answered %q, left %q (%d, %s), want %q", c.kind, c.body, answer, got, r.Header.ContentLength(),
				r.Header.ContentType(), c.want)
		}
	}
}

func TestAWrongKeyIsHiddenFromTheAnonymousConsumersUpstream(t *testing.T) {
	answer, r := keyed(t, map[string]any{"anonymous": "c1"},
		func(r *fasthttp.Request) { r.Header.Set("apikey", "bad"); r.SetRequestURI("/?a=1&apikey=other") })
	if got := string(r.Header.RequestURI()); answer != "" || got != "/?a=1" || r.Header.Peek("apikey") != nil {
		t.Errorf("answered %q, forwarded %s", answer, r)
	}
}

func FuzzDropPairs(f *testing.F) {
	for _, s := range []string{"apikey=K", "a=1&apikey=K&b=%20c", "&&", "%61pikey=K&+=+", "time[0:1:0]&apikey", "%&%6&apikey=%"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		rest, left := plugin.DropPairs(raw, "apikey")
		if !bytes.Equal(raw, before) {
			t.Fatal("the query itself was changed")
		}
		if findPair(rest, "apikey").is != absent {
			t.Fatalf("%q still has the key", rest)
		}
		var want [][]byte
		for _, pair := range bytes.Split(raw, []byte{'&'}) {
			if name, _, _ := bytes.Cut(pair, []byte{'='}); string(plugin.DecodeName(name)) != "apikey" {
				want = append(want, pair)
			}
		}
		if !bytes.Equal(rest, bytes.Join(want, []byte{'&'})) || len(raw) > 0 && left != (len(want) > 0) {
			t.Fatalf("%q became %q, %t", raw, rest, left)
		}
	})
}

func FuzzJSONMembers(f *testing.F) {
	for _, s := range []string{`{"apikey":"K","n":1}`, ` { "a" : [ {"apikey":"x"} ] , "\u0061pikey" : "K" } `, `{}`, `[]`,
		`{"a":"\\\"}"}`, `1`, `{"":null,"":true}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		members := jsonMembers(body)
		var whole map[string]json.RawMessage
		if err := json.Unmarshal(body, &whole); err != nil || whole == nil {
			if members != nil {
				t.Fatalf("%q has members", body)
			}
			return
		}
		names := map[string]bool{}
		for _, m := range members {
			names[m.name] = true
			if !json.Valid(append(append([]byte{'{'}, body[m.start:m.end]...), '}')) {
				t.Fatalf("%q is no member", body[m.start:m.end])
			}
		}
		if len(names) != len(whole) || len(members) == 0 {
			return
		}
		rest := dropMembers(body, members, []string{members[0].name})
		var left map[string]json.RawMessage
		if err := json.Unmarshal(rest, &left); err != nil {
			t.Fatalf("%q became %q: %v", body, rest, err)
		}
		if _, ok := left[members[0].name]; ok || len(left) != len(whole)-1 {
			t.Fatalf("%q became %q", body, rest)
		}
	})
}

func FuzzParts(f *testing.F) {
	for _, s := range []string{
		"--B\r\nContent-Disposition: form-data; name=\"apikey\"\r\n\r\nK\r\n--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B--\r\n",
		"--B--", "x\r\n--B \r\n\r\n\r\n--B", "--Bx\r\n--B\r\n", "--B\r\n\r\n\r\n--B--",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		list := parts(body, "B")
		last := 0
		for _, p := range list {
			if p.start < last || p.end <= p.start {
				t.Fatalf("%q: a part from %d to %d after %d", body, p.start, p.end, last)
			}
			last = p.end
		}
		rest := dropParts(body, list, []string{"apikey"})
		if findMember(parts(rest, "B"), "apikey").is != absent {
			t.Fatalf("%q still has the key", rest)
		}
	})
}
