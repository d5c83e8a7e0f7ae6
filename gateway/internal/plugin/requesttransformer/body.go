package requesttransformer

import (
	"bytes"
	"errors"
	"io"
	"mime/multipart"
	"net/textproto"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/transform"
)

const (
	jsonType      = "application/json"
	formType      = "application/x-www-form-urlencoded"
	multipartType = "multipart/form-data"
)

// changeBody changes a body that is JSON, a form or multipart. Other bodies, and
// those that are compressed, stay as they are. A body that is longer than what
// plugins may keep is refused: it would reach the upstream with what should not.
func (p *requestTransformer) changeBody(x *plugin.Exchange, e *edits) (answered bool) {
	h := &x.Ctx.Request.Header
	kind, boundary := transform.MediaType(h.ContentType())
	if kind != jsonType && kind != formType && (kind != multipartType || boundary == "") {
		return false
	}
	body, answered := wholeBody(x)
	if answered {
		return true
	}
	if kind == formType && isCoded(h) && isBinary(body) {
		return false // of the other kinds a body that is compressed cannot be parsed
	}
	made, ok := body, false
	switch kind {
	case jsonType:
		made, ok = changeJSON(body, e)
	case formType:
		list := parsePairs(body)
		list.apply(e)
		made, ok = list.bytes(), true
	case multipartType:
		if bringsBoundary(boundary, e) {
			plugin.Answer(&x.Ctx.Response, fasthttp.StatusBadRequest, badValueBody)
			return true
		}
		made, ok = changeMultipart(body, boundary, e)
	}
	if ok && !bytes.Equal(made, body) {
		x.Ctx.Request.SetBodyRaw(made)
		h.SetContentLength(len(made))
	}
	return false
}

func isCoded(h *fasthttp.RequestHeader) bool {
	return slices.ContainsFunc(h.PeekAll(fasthttp.HeaderContentEncoding), transform.IsCoded)
}

// isBinary tells whether a body is no text. One that is coded is none; one that is
// only said to be coded may be read as it is by the upstream, and so is changed.
func isBinary(body []byte) bool {
	return bytes.ContainsFunc(body, func(r rune) bool { return r == utf8.RuneError || r < ' ' && r != '\t' && r != '\r' && r != '\n' })
}

func wholeBody(x *plugin.Exchange) (body []byte, answered bool) {
	body, whole, err := x.RequestBody(0)
	switch {
	case err != nil:
		plugin.AnswerBodyError(&x.Ctx.Response, err)
		return nil, true
	case !whole:
		plugin.Answer(&x.Ctx.Response, fasthttp.StatusRequestEntityTooLarge, largeBodyBody)
		x.Ctx.Response.SetConnectionClose()
		return nil, true
	}
	return body, false
}

// appendForm puts a form behind the query: the upstream is asked by a method
// that has no body.
func (p *requestTransformer) appendForm(x *plugin.Exchange) (answered bool) {
	h := &x.Ctx.Request.Header
	if kind, _ := transform.MediaType(h.ContentType()); kind != formType || isCoded(h) {
		return false
	}
	body, answered := wholeBody(x)
	if answered || len(body) == 0 {
		return answered
	}
	list := parsePairs(plugin.Query(h))
	for _, one := range parsePairs(body).list {
		list.append(one.name(), one.value())
	}
	setQuery(x, list)
	return false
}

// changeJSON changes an object; ok is false for what is none. No body at all is an
// empty object that members can be added to.
func changeJSON(body []byte, e *edits) (made []byte, ok bool) {
	if len(body) == 0 {
		if len(e.add)+len(e.append) == 0 {
			return nil, false
		}
		body = []byte("{}")
	}
	o, err := transform.ParseObject(body)
	if err != nil {
		return nil, false
	}
	changed := false
	for _, d := range e.remove {
		changed = o.Remove(d.name) || changed
	}
	for _, d := range e.rename {
		changed = o.Rename(d.name, d.value) || changed
	}
	for _, d := range e.replace {
		if o.Has(d.name) {
			o.Set(d.name, transform.Text(d.value))
			changed = true
		}
	}
	for _, d := range e.add {
		if !o.Has(d.name) {
			o.Set(d.name, transform.Text(d.value))
			changed = true
		}
	}
	for _, d := range e.append {
		o.Append(d.name, transform.Text(d.value))
		changed = true
	}
	return o.Bytes(), changed
}

// formPart is a part of a multipart body.
type formPart struct {
	header  textproto.MIMEHeader
	name    string
	content []byte
}

func newPart(name, value string) formPart {
	h := textproto.MIMEHeader{}
	h.Set("Content-Disposition", `form-data; name="`+quoteName(name)+`"`)
	return formPart{h, name, []byte(value)}
}

func quoteName(name string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `%22`, "\r", "%0D", "\n", "%0A").Replace(name)
}

// changeMultipart changes parts by their names, as Kong does: a part that is
// renamed or replaced is a plain one then, and nothing is appended to parts.
func changeMultipart(body []byte, boundary string, e *edits) (made []byte, ok bool) {
	list, err := parseParts(body, boundary)
	if err != nil {
		return nil, false
	}
	parts := formParts{list: list}
	for _, d := range e.rename {
		if i := parts.index(d.name); i >= 0 && d.name != d.value {
			content := parts.list[i].content
			parts.remove(d.value)
			parts.replace(d.name, newPart(d.value, string(content)))
		}
	}
	for _, d := range e.remove {
		parts.remove(d.name)
	}
	for _, d := range e.replace {
		parts.replace(d.name, newPart(d.name, d.value))
	}
	for _, d := range e.add {
		if parts.index(d.name) < 0 {
			parts.list, parts.changed = append(parts.list, newPart(d.name, d.value)), true
		}
	}
	if !parts.changed {
		return nil, false
	}
	return writeParts(parts.list, boundary)
}

// bringsBoundary tells whether a value would end its part and begin others. The
// boundary is the client's choice, and the value of a template may be, too.
func bringsBoundary(boundary string, e *edits) bool {
	brings := func(d edit) bool { return strings.Contains("\n"+d.value, "\n--"+boundary) }
	return slices.ContainsFunc(e.replace, brings) || slices.ContainsFunc(e.add, brings)
}

// formParts are the parts of a body that is being changed.
type formParts struct {
	list    []formPart
	changed bool
}

func (p *formParts) index(name string) int {
	return slices.IndexFunc(p.list, func(one formPart) bool { return one.name == name })
}

func (p *formParts) remove(name string) {
	had := len(p.list)
	p.list = slices.DeleteFunc(p.list, func(one formPart) bool { return one.name == name })
	p.changed = p.changed || len(p.list) < had
}

// replace puts one part in the place of all that have a name.
func (p *formParts) replace(name string, by formPart) {
	if i := p.index(name); i >= 0 {
		p.remove(name)
		p.list = slices.Insert(p.list, i, by)
	}
}

// parseParts reads parts as they came; an empty body has none.
func parseParts(body []byte, boundary string) (list []formPart, err error) {
	if len(body) == 0 {
		return nil, nil
	}
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err //nolint:wrapcheck // only whether there is one counts
		}
		content, err := io.ReadAll(p)
		if err != nil {
			return nil, err //nolint:wrapcheck // as above
		}
		list = append(list, formPart{p.Header, p.FormName(), content})
	}
}

func writeParts(list []formPart, boundary string) (made []byte, ok bool) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if w.SetBoundary(boundary) != nil {
		return nil, false
	}
	for _, p := range list {
		to, err := w.CreatePart(p.header)
		if err != nil {
			return nil, false
		}
		_, _ = to.Write(p.content) // to memory
	}
	_ = w.Close()
	return b.Bytes(), true
}
