package requesttransformer

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/transform"
	"github.com/gatelab/gatelab/gateway/internal/route"
)

// config is the configuration as it is stored.
type config struct {
	HTTPMethod string        `json:"http_method"`
	Remove     sectionConfig `json:"remove"`
	Rename     sectionConfig `json:"rename"`
	Replace    sectionConfig `json:"replace"`
	Add        sectionConfig `json:"add"`
	Append     sectionConfig `json:"append"`
}

type sectionConfig struct {
	Body        []string `json:"body"`
	Headers     []string `json:"headers"`
	Querystring []string `json:"querystring"`
	URI         string   `json:"uri"` // of replace alone
}

// requestTransformer changes requests.
type requestTransformer struct {
	method        string    // "": the client's
	uri           *template // nil: the path stays
	uriRoot       string    // what the path stays below, whatever is put into it
	headers       edits
	query         edits
	body          edits
	added         bool // an edit names a field that the gateway adds when it forwards
	queryFromForm bool // the method has no body: a form becomes query
}

func newPlugin(c *entity.Plugin, _ *plugin.Deps) (plugin.Plugin, error) {
	var in config
	if err := plugin.DecodeConfig(c, &in); err != nil {
		return nil, err
	}
	p := &requestTransformer{method: in.HTTPMethod}
	p.queryFromForm = p.method == fasthttp.MethodGet || p.method == fasthttp.MethodHead
	var err error
	if p.headers, err = parseEdits(&in, func(s *sectionConfig) []string { return s.Headers }); err != nil {
		return nil, err
	}
	if p.query, err = parseEdits(&in, func(s *sectionConfig) []string { return s.Querystring }); err != nil {
		return nil, err
	}
	if p.body, err = parseEdits(&in, func(s *sectionConfig) []string { return s.Body }); err != nil {
		return nil, err
	}
	for _, list := range p.headers.lists() {
		p.added = p.added || slices.ContainsFunc(*list, func(d edit) bool { return isAdded(d.name) || isAdded(d.value) })
	}
	if in.Replace.URI != "" {
		if p.uri, err = parseTemplate(in.Replace.URI); err != nil {
			return nil, err
		}
		fixed := p.uri.parts[0].text
		p.uriRoot = route.Normalize(fixed[:strings.LastIndexByte(fixed, '/')+1])
	}
	return p, nil
}

// isAdded tells whether the gateway writes the field when it forwards.
func isAdded(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "x-forwarded-") || name == "x-real-ip" || name == "forwarded" || name == "via"
}

var (
	badValueBody  = []byte(`{"message":"Bad request"}`)
	largeBodyBody = []byte(`{"message":"Request size limit exceeded"}`)
)

// Access makes the changes. Values of templates are those of the request as it
// came, whatever the other changes are.
func (p *requestTransformer) Access(x *plugin.Exchange) (answered bool) {
	headers, query := p.headers.rendered(x), p.query.rendered(x)
	body := p.body.rendered(x)
	ok := p.setPath(x) && p.changeHeaders(x, &headers)
	if !ok {
		plugin.Answer(&x.Ctx.Response, fasthttp.StatusBadRequest, badValueBody)
		return true
	}
	if p.method != "" && p.method != string(x.Ctx.Request.Header.Method()) {
		x.Rewrite.Method = p.method
		if p.queryFromForm && p.appendForm(x) {
			return true
		}
	}
	if !body.isEmpty() && p.changeBody(x, &body) {
		return true
	}
	if !query.isEmpty() {
		p.changeQuery(x, &query)
	}
	return false
}

// setPath replaces the path. false: what the client sent for a part of it leads
// out of what the configuration says.
func (p *requestTransformer) setPath(x *plugin.Exchange) bool {
	if p.uri == nil {
		return true
	}
	path := p.uri.render(x, func(kind, value string) string {
		if kind == "uri_captures" {
			return value // it was part of a path
		}
		return url.PathEscape(value)
	})
	normal := route.Normalize(path)
	for _, reading := range append(route.Readings(normal), normal) {
		if !route.Within(p.uriRoot, reading) {
			return false
		}
	}
	x.Rewrite.Path = route.Escape(normal)
	return true
}

func (p *requestTransformer) changeHeaders(x *plugin.Exchange, e *edits) bool {
	if e.isEmpty() {
		return true
	}
	for _, list := range e.lists() {
		for i := range *list {
			if !transform.IsFieldValue((*list)[i].value) {
				return false // of a template
			}
		}
	}
	if p.added && x.Complete != nil {
		x.Complete()
	}
	noteMoved(x, e)
	h := &x.Ctx.Request.Header
	for _, d := range e.remove {
		plugin.DeleteField(h, d.name)
	}
	for _, d := range e.rename {
		renameField(h, d.name, d.value)
	}
	for _, d := range e.replace {
		if strings.EqualFold(d.name, fasthttp.HeaderHost) {
			host, ok := route.CanonicalHost(d.value)
			if !ok {
				return false
			}
			x.Rewrite.Host = host
		} else if plugin.HasField(h, d.name) {
			plugin.SetField(h, d.name, d.value)
		}
	}
	for _, d := range e.add {
		if !plugin.HasField(h, d.name) {
			h.Set(d.name, d.value)
		}
	}
	for _, d := range e.append {
		h.Add(d.name, d.value)
	}
	return true
}

// noteMoved tells a cache what header fields are made of that it tells requests
// apart by, and may not find any more where it was.
func noteMoved(x *plugin.Exchange, e *edits) {
	h := &x.Ctx.Request.Header
	for _, d := range e.rename {
		if strings.EqualFold(d.name, fasthttp.HeaderAuthorization) {
			for _, v := range h.PeekAll(d.name) {
				x.Rewrite.Moved += strconv.Quote(string(v))
				x.Rewrite.Authorized = true
			}
		}
	}
	for _, list := range e.lists() {
		for _, d := range *list {
			if d.template == nil {
				continue
			}
			authorization := d.template.reads("headers", fasthttp.HeaderAuthorization) && plugin.HasField(h, fasthttp.HeaderAuthorization)
			if authorization || d.template.reads("query_params", "") {
				x.Rewrite.Moved += strconv.Quote(d.value)
			}
			x.Rewrite.Authorized = x.Rewrite.Authorized || authorization
		}
	}
}

func renameField(h *fasthttp.RequestHeader, name, to string) {
	if strings.EqualFold(name, to) || !plugin.HasField(h, name) {
		return
	}
	var values []string
	for _, v := range h.PeekAll(name) {
		values = append(values, string(v))
	}
	plugin.DeleteField(h, name)
	plugin.DeleteField(h, to)
	for _, v := range values {
		h.Add(to, v)
	}
}

func (p *requestTransformer) changeQuery(x *plugin.Exchange, e *edits) {
	list := parsePairs(plugin.Query(&x.Ctx.Request.Header))
	list.apply(e)
	setQuery(x, list)
}

// setQuery leaves the path as it is.
func setQuery(x *plugin.Exchange, list pairs) {
	path, _, _ := strings.Cut(string(x.Ctx.Request.Header.RequestURI()), "?")
	if len(list.list) > 0 {
		path += "?" + string(list.bytes())
	}
	x.Ctx.Request.SetRequestURI(path)
}

// ReadsRequestBody tells that the body is changed, or becomes part of the query.
func (p *requestTransformer) ReadsRequestBody() bool { return p.queryFromForm || !p.body.isEmpty() }

var (
	_ plugin.AccessPhase       = (*requestTransformer)(nil)
	_ plugin.RequestBodyReader = (*requestTransformer)(nil)
)
