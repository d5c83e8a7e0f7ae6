package oauth2

import (
	"bytes"
	"encoding/json"
	"mime"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// maxBody is how much of a body is kept to look for parameters in it. A longer body
// has none.
const maxBody = 64 << 10

const (
	formType = "application/x-www-form-urlencoded"
	jsonType = "application/json"
)

// parameter is a value of a request; odd says that it is there several times, or is
// no text.
type parameter struct {
	value string
	odd   bool
}

// parameters are those of a query and a body, by their names.
type parameters map[string]parameter

// text is a parameter's value, "" where there is none that can be taken.
func (p parameters) text(name string) string {
	v := p[name]
	if v.odd {
		return ""
	}
	return v.value
}

func (p parameters) addForm(raw []byte) {
	seen := map[string]bool{}
	for pair := range bytes.SplitSeq(raw, []byte{'&'}) {
		name, value, ok := bytes.Cut(pair, []byte{'='})
		if !ok {
			continue
		}
		key := string(plugin.DecodeName(name))
		p[key] = parameter{value: string(plugin.DecodeName(value)), odd: seen[key]}
		seen[key] = true
	}
}

func (p parameters) addJSON(raw []byte) {
	var object map[string]any
	if json.Unmarshal(raw, &object) != nil {
		return
	}
	for name, v := range object {
		text, ok := v.(string)
		if v != nil {
			p[name] = parameter{value: text, odd: !ok}
		}
	}
}

// readParameters reads the query and the body, which goes before the query. The
// error is the body's: the request cannot go on.
func readParameters(x *plugin.Exchange) (parameters, error) {
	p := parameters{}
	p.addForm(plugin.Query(&x.Ctx.Request.Header))
	kind, body, err := bodyOf(x)
	switch kind {
	case formType:
		p.addForm(body)
	case jsonType:
		p.addJSON(body)
	}
	return p, err
}

// bodyOf is the body of a request whose kind may have parameters.
func bodyOf(x *plugin.Exchange) (kind string, body []byte, err error) {
	contentType := x.Ctx.Request.Header.ContentType()
	if len(contentType) == 0 {
		return "", nil, nil
	}
	kind, _, err = mime.ParseMediaType(string(contentType))
	if err != nil || kind != formType && kind != jsonType {
		return "", nil, nil //nolint:nilerr // of no kind that has parameters
	}
	body, whole, err := x.RequestBody(maxBody)
	if err != nil || !whole {
		return "", nil, err
	}
	return kind, body, nil
}

// presented is the access token that a request shows, and hides it where that is
// wanted: of the header field, or else of the query or of a form.
func (a *auth) presented(x *plugin.Exchange) (token []byte, err error) {
	h := &x.Ctx.Request.Header
	if values := h.PeekAll(a.AuthHeaderName); len(values) > 0 {
		token = values[0]
		if len(values) > 1 {
			token = []byte("several") // it is unknown which one the upstream reads: none is taken
		} else if scheme, rest, ok := bytes.Cut(bytes.TrimSpace(token), []byte{' '}); ok && isBearer(scheme) {
			token = bytes.TrimSpace(rest)
		}
		token = bytes.Clone(token)
		if a.HideCredentials {
			plugin.DeleteField(h, a.AuthHeaderName)
		}
		return token, nil
	}
	p := parameters{}
	p.addForm(plugin.Query(h))
	var form []byte
	if m := x.Ctx.Method(); len(m) > 0 && string(m) != fasthttp.MethodGet && string(m) != fasthttp.MethodHead {
		kind, body, err := bodyOf(x)
		if err != nil {
			return nil, err
		}
		if kind == formType {
			form = body
			p.addForm(form)
		}
	}
	if a.HideCredentials {
		plugin.HideInQuery(&x.Ctx.Request, accessTokenName)
		if rest, _ := plugin.DropPairs(form, accessTokenName); len(rest) != len(form) {
			x.Ctx.Request.SetBodyRaw(rest)
			h.SetContentLength(len(rest))
		}
	}
	return []byte(p.text(accessTokenName)), nil
}

func isBearer(scheme []byte) bool {
	return bytes.EqualFold(scheme, []byte(bearer)) || bytes.EqualFold(scheme, []byte("token"))
}
