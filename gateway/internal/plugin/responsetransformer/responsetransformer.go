package responsetransformer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/transform"
)

// config is the configuration as it is stored.
type config struct {
	Remove  sectionConfig `json:"remove"`
	Rename  sectionConfig `json:"rename"`
	Replace sectionConfig `json:"replace"`
	Add     sectionConfig `json:"add"`
	Append  sectionConfig `json:"append"`
}

type sectionConfig struct {
	JSON    []string `json:"json"`
	Types   []string `json:"json_types"`
	Headers []string `json:"headers"`
}

// field is an entry for a header field, member one for a JSON object.
type (
	field  struct{ name, value string }
	member struct {
		name  string
		value json.RawMessage
	}
)

// transformer changes responses, those that other plugins make too, as in Kong.
type transformer struct {
	remove, rename, replace, add, append       []field
	removeJSON, replaceJSON, addJSON, pushJSON []member
}

func newPlugin(c *entity.Plugin, _ *plugin.Deps) (plugin.Plugin, error) {
	var in config
	if err := plugin.DecodeConfig(c, &in); err != nil {
		return nil, err
	}
	p := &transformer{
		remove: fields(in.Remove.Headers), rename: fields(in.Rename.Headers), replace: fields(in.Replace.Headers),
		add: fields(in.Add.Headers), append: fields(in.Append.Headers),
	}
	for _, entry := range in.Remove.JSON {
		p.removeJSON = append(p.removeJSON, member{name: entry})
	}
	for _, s := range []struct {
		from *sectionConfig
		to   *[]member
	}{{&in.Replace, &p.replaceJSON}, {&in.Add, &p.addJSON}, {&in.Append, &p.pushJSON}} {
		for i, entry := range s.from.JSON {
			name, value := transform.Cut(entry)
			kind := stringType
			if i < len(s.from.Types) {
				kind = s.from.Types[i]
			}
			raw, ok := cast(value, kind)
			if !ok {
				return nil, fmt.Errorf("value %q of %q is no %s", value, name, kind)
			}
			*s.to = append(*s.to, member{name, raw})
		}
	}
	return p, nil
}

func fields(entries []string) []field {
	out := make([]field, len(entries))
	for i, e := range entries {
		out[i].name, out[i].value = transform.Cut(e)
	}
	return out
}

// HeaderFilter changes header fields, in Kong's order.
func (p *transformer) HeaderFilter(x *plugin.Exchange) {
	h := &x.Ctx.Response.Header
	for _, f := range p.remove {
		plugin.DeleteResponseField(h, f.name)
	}
	for _, f := range p.rename {
		rename(h, f.name, f.value)
	}
	for _, f := range p.replace {
		if has(h, f.name) {
			set(h, f)
		}
	}
	for _, f := range p.add {
		if !has(h, f.name) {
			set(h, f)
		}
	}
	for _, f := range p.append {
		if has(h, f.name) {
			h.Add(f.name, f.value)
		} else {
			set(h, f)
		}
	}
}

func has(h *fasthttp.ResponseHeader, name string) bool { return len(h.PeekAll(name)) > 0 }

func set(h *fasthttp.ResponseHeader, f field) {
	if strings.EqualFold(f.name, fasthttp.HeaderDate) { // which the codec has a way of its own with
		plugin.SetDate(h, []byte(f.value))
		return
	}
	plugin.DeleteResponseField(h, f.name)
	h.Set(f.name, f.value)
}

func rename(h *fasthttp.ResponseHeader, name, to string) {
	if strings.EqualFold(name, to) || !has(h, name) {
		return
	}
	var values []string
	for n, v := range h.All() { // PeekAll makes one value of all cookies
		if strings.EqualFold(string(n), name) {
			values = append(values, string(v))
		}
	}
	if values == nil {
		return
	}
	plugin.DeleteResponseField(h, name)
	set(h, field{to, values[0]})
	for _, v := range values[1:] {
		h.Add(to, v)
	}
}

// FiltersBody takes JSON, if there is something to do with it. A body with a content
// encoding is left as it is, and so is a part of one.
func (p *transformer) FiltersBody(x *plugin.Exchange) bool {
	if len(p.removeJSON)+len(p.replaceJSON)+len(p.addJSON)+len(p.pushJSON) == 0 {
		return false
	}
	r := &x.Ctx.Response
	if r.StatusCode() == fasthttp.StatusPartialContent ||
		slices.ContainsFunc(r.Header.PeekAll(fasthttp.HeaderContentEncoding), transform.IsCoded) {
		return false
	}
	kind, _ := transform.MediaType(r.Header.ContentType())
	return kind == "application/json"
}

// BodyFilter changes members of a JSON object; other bodies are left as they are.
func (p *transformer) BodyFilter(x *plugin.Exchange, body []byte) []byte {
	o, err := transform.ParseObject(body)
	if err != nil {
		return body
	}
	for _, m := range p.removeJSON {
		o.Remove(m.name)
	}
	for _, m := range p.replaceJSON {
		if o.Has(m.name) {
			o.Set(m.name, m.value)
		}
	}
	for _, m := range p.addJSON {
		if !o.Has(m.name) {
			o.Set(m.name, m.value)
		}
	}
	for _, m := range p.pushJSON {
		o.Append(m.name, m.value)
	}
	weaken(&x.Ctx.Response.Header)
	return o.Bytes()
}

// weaken says of an entity tag that it is not of exactly these bytes: it is the
// upstream's, of its own.
func weaken(h *fasthttp.ResponseHeader) {
	tag := h.Peek(fasthttp.HeaderETag)
	if len(tag) > 0 && tag[0] == '"' {
		h.Set(fasthttp.HeaderETag, "W/"+string(tag))
	}
	for _, name := range []string{"Content-MD5", "Digest", "Content-Digest"} {
		plugin.DeleteResponseField(h, name)
	}
}

var (
	_ plugin.HeaderFilterPhase  = (*transformer)(nil)
	_ plugin.BodyFilterPhase    = (*transformer)(nil)
	_ plugin.BodyFilterSelector = (*transformer)(nil)
)
