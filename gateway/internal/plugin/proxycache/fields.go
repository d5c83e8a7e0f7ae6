package proxycache

import (
	"bytes"
	"mime"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/cache"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// mediaType is one of config.content_type.
type mediaType struct {
	kind   string // "application/json", "text/*" or "*/*"
	params map[string]string
}

func parseMediaType(s string) (mediaType, error) {
	kind, params, err := mime.ParseMediaType(s)
	return mediaType{kind, params}, err
}

// takesType tells whether a response's type is among those that are cached.
// Parameters count only where the operator gave some: application/json also
// takes application/json; charset=utf-8.
func (p *proxyCache) takesType(contentType []byte) bool {
	if p.types == nil {
		return true
	}
	if len(contentType) == 0 {
		return false
	}
	got, err := parseMediaType(string(contentType))
	if err != nil {
		return false
	}
	return slices.ContainsFunc(p.types, func(want mediaType) bool { return want.fits(got) })
}

func (want mediaType) fits(got mediaType) bool {
	if prefix, any := strings.CutSuffix(want.kind, "*"); any {
		if prefix != "*/" && !strings.HasPrefix(got.kind, prefix) {
			return false
		}
	} else if want.kind != got.kind {
		return false
	}
	for name, value := range want.params {
		if !strings.EqualFold(got.params[name], value) {
			return false
		}
	}
	return true
}

// notStored are fields of one connection or one exchange; those of limits are
// some other client's, and the rest are made anew for each answer. Date and Via
// are stored as the first client got them: a hit was not forwarded again. Keys
// are lower-case.
var notStored = map[string]bool{
	"connection": true, "keep-alive": true, "proxy-authenticate": true, "proxy-authorization": true,
	"proxy-authentication-info": true,
	"proxy-connection":          true, "te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
	"content-length": true, "age": true, "set-cookie": true,
	"x-cache-key": true, "x-cache-status": true, "x-gateway-node": true,
}

var notStoredPrefixes = []string{"x-kong-", "ratelimit", "x-ratelimit-"}

func isStored(name []byte, connection [][]byte, withheld []string) bool {
	l := strings.ToLower(string(name))
	if notStored[l] || slices.Contains(withheld, l) {
		return false
	}
	for _, prefix := range notStoredPrefixes {
		if strings.HasPrefix(l, prefix) {
			return false
		}
	}
	for _, list := range connection {
		for item := range bytes.SplitSeq(list, []byte{','}) {
			if strings.EqualFold(string(bytes.TrimSpace(item)), l) {
				return false
			}
		}
	}
	return true
}

// dropStored takes off a response what a stored one will put in its place, and
// its cookies.
func dropStored(h *fasthttp.ResponseHeader) {
	fields := storedFields(h, nil)
	for _, f := range fields {
		plugin.DeleteResponseField(h, string(f.Name))
	}
	plugin.DeleteResponseField(h, fasthttp.HeaderSetCookie)
	plugin.DeleteResponseField(h, fasthttp.HeaderAge)
}

// storedFields copies the fields that are stored, those of one name side by
// side, into one block of memory.
func storedFields(h *fasthttp.ResponseHeader, withheld []string) []cache.Field {
	var connection [][]byte
	for _, c := range h.PeekAll(fasthttp.HeaderConnection) {
		connection = append(connection, bytes.Clone(c))
	}
	var fields []cache.Field
	n := 0
	for name, value := range h.All() {
		if isStored(name, connection, withheld) {
			fields = append(fields, cache.Field{Name: name, Value: value})
			n += len(name) + len(value)
		}
	}
	block := make([]byte, 0, n)
	keep := func(b []byte) []byte {
		at := len(block)
		block = append(block, b...)
		return block[at:len(block):len(block)]
	}
	for i, f := range fields {
		fields[i] = cache.Field{Name: keep(f.Name), Value: keep(f.Value)}
	}
	slices.SortStableFunc(fields, func(a, b cache.Field) int { return bytes.Compare(a.Name, b.Name) })
	return fields
}

// updatedFields are a stored response's, with those of a 304 in their place
// (RFC 9111, 3.2).
type updatedFields struct {
	fresh  *fasthttp.ResponseHeader
	stored *cache.Entry
}

// describesBody are fields that a 304 does not change: they belong to the
// body that is stored.
func describesBody(name []byte) bool {
	switch strings.ToLower(string(name)) {
	case "content-type", "content-encoding", "content-range", "content-length":
		return true
	}
	return false
}

// PeekAll returns the 304's values of a field, else the stored ones.
func (u updatedFields) PeekAll(name string) [][]byte {
	if !describesBody([]byte(name)) {
		if v := u.fresh.PeekAll(name); len(v) > 0 {
			return v
		}
	}
	var values [][]byte
	for _, f := range u.stored.Header {
		if strings.EqualFold(string(f.Name), name) {
			values = append(values, f.Value)
		}
	}
	return values
}

func (u updatedFields) fields(withheld []string) []cache.Field {
	fields := storedFields(u.fresh, withheld)
	fields = slices.DeleteFunc(fields, func(f cache.Field) bool { return describesBody(f.Name) })
	fresh := len(fields)
	for _, f := range u.stored.Header {
		same := func(g cache.Field) bool { return bytes.Equal(f.Name, g.Name) }
		if !slices.ContainsFunc(fields[:fresh], same) && !slices.Contains(withheld, strings.ToLower(string(f.Name))) {
			fields = append(fields, f)
		}
	}
	slices.SortStableFunc(fields, func(a, b cache.Field) int { return bytes.Compare(a.Name, b.Name) })
	return fields
}

// condition is what a client has asked conditionally.
type condition struct{ noneMatch, modifiedSince []byte }

func (c condition) isSet() bool { return len(c.noneMatch) > 0 || len(c.modifiedSince) > 0 }

func conditionOf(h *fasthttp.RequestHeader) condition {
	return condition{h.Peek(fasthttp.HeaderIfNoneMatch), h.Peek(fasthttp.HeaderIfModifiedSince)}
}

// modified is when an entry was modified last, as If-Modified-Since compares: where it
// does not say, its Date (RFC 9111, 4.3.2).
func modified(e *cache.Entry, now time.Time) time.Time {
	if !e.LastModified.IsZero() {
		return e.LastModified
	}
	date, _ := cache.ParseDate(stored(e, fasthttp.HeaderDate), now)
	return date
}

// notModified is RFC 9110, 13.1: If-None-Match by weak comparison, and only
// without it If-Modified-Since.
func notModified(etag string, modified time.Time, ifNoneMatch, ifModifiedSince []byte) bool {
	if len(ifNoneMatch) > 0 {
		if string(bytes.TrimSpace(ifNoneMatch)) == "*" {
			return true
		}
		return etag != "" && listsTag(ifNoneMatch, strings.TrimPrefix(etag, "W/"))
	}
	if len(ifModifiedSince) == 0 || modified.IsZero() {
		return false
	}
	since, ok := cache.ParseDate([][]byte{ifModifiedSince}, time.Now())
	return ok && !modified.After(since)
}

// listsTag finds an opaque tag, with its quotes, in a list; commas may be part
// of a tag.
func listsTag(list []byte, opaque string) bool {
	for len(list) > 0 {
		list = bytes.TrimLeft(list, " \t,")
		list = bytes.TrimPrefix(list, []byte("W/"))
		if len(list) == 0 || list[0] != '"' {
			return false
		}
		end := bytes.IndexByte(list[1:], '"')
		if end < 0 {
			return false
		}
		if string(list[:end+2]) == opaque {
			return true
		}
		list = list[end+2:]
	}
	return false
}
