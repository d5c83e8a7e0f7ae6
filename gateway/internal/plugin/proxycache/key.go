package proxycache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"sync"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/cache"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/route"
)

var (
	headerAge        = []byte("Age")
	headerCacheKey   = []byte("X-Cache-Key")
	onlyIfCachedBody = []byte(`{"message":"Gateway Timeout"}`)
	methodGet        = []byte("GET")
)

const headerCacheStatus = "X-Cache-Status"

// cacheKey makes a request's key: the SHA-256 of consumer (where they do not
// share), whom a token is of that the cache does not see, route, scheme, host, method, path and query, and the headers that the
// operator chose. HEAD has GET's key: its answer is made of the same entry.
//
// Unlike Kong's, the key has the scheme and the host: the upstream is always
// told both, and may make links and redirects of them. Without them a client
// could have its own Host in what others are answered, and a redirect from http
// to https would be the answer to https too. The price is that a service which
// is asked for under several names is cached once for each.
//
// Where Cache-Control is not followed the key has the request's Authorization too:
// RFC 9111, 3.5 would have such answers stored only where the origin allows it.
type cacheKey struct {
	consumer      bool
	authorization bool
	ignoreCase    bool
	query         []string // sorted; nil: all
	headers       []string // sorted
	buffers       sync.Pool
}

func (k *cacheKey) of(x *plugin.Exchange) cache.Key {
	b := k.buffer()
	h := &x.Ctx.Request.Header
	k.addOrigin(b, x)
	method := h.Method()
	if h.IsHead() {
		method = methodGet
	}
	k.addTarget(b, method, h.RequestURI())
	k.addFields(b, x)
	sum := sha256.Sum256(b.bytes)
	k.buffers.Put(b)
	return sum
}

func (k *cacheKey) buffer() *keyBuffer {
	b, _ := k.buffers.Get().(*keyBuffer)
	if b == nil {
		b = &keyBuffer{}
	}
	b.bytes = b.bytes[:0]
	return b
}

// addOrigin adds who asks, by which route, and of which host.
func (k *cacheKey) addOrigin(b *keyBuffer, x *plugin.Exchange) {
	h := &x.Ctx.Request.Header
	if k.consumer && x.Consumer != nil {
		b.addString(x.Consumer.ID)
	} else {
		b.addString("")
	}
	if k.consumer && x.Subject != "" {
		b.addString(ofSubject)
		b.addString(x.Subject)
	}
	if x.Route != nil {
		b.addString(x.Route.ID)
		if x.Route.PreserveHost {
			b.add(h.Host()) // with its port, as the upstream gets it
		}
	}
	b.addString(x.Scheme)
	at := len(b.bytes)
	b.addString(x.Host)
	lower(b.bytes[at:])
}

// addTarget adds what is asked for.
func (k *cacheKey) addTarget(b *keyBuffer, method, uri []byte) {
	b.add(method)
	// The path as it came: what it decodes to may be the same for two that
	// the upstream tells apart.
	path, query, _ := bytes.Cut(uri, []byte{'?'})
	at := len(b.bytes)
	b.add(path)
	if k.ignoreCase {
		lower(b.bytes[at:])
	}
	k.addQuery(b, query)
}

// believed are fields that reach the upstream as a trusted proxy has sent them,
// and that are not in the key otherwise. An upstream may make links of them.
var believed = []string{"X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Path"}

// ofSubject comes before whom a token is of: no route has that id.
const ofSubject = "\x00subject"

// endOfQuery comes before the fields: no parameter has it in it.
const endOfQuery = "&"

// rewritten comes before what a plugin has the upstream asked for: no field has
// that name.
const rewritten = "\x00"

// addFields adds the fields that count, each with its name.
func (k *cacheKey) addFields(b *keyBuffer, x *plugin.Exchange) {
	h := &x.Ctx.Request.Header
	b.addString(endOfQuery)
	if k.authorization {
		for _, v := range h.PeekAll(fasthttp.HeaderAuthorization) {
			b.addString(fasthttp.HeaderAuthorization)
			b.add(v)
		}
	}
	if x.Trusted {
		for _, name := range believed {
			for _, v := range h.PeekAll(name) {
				b.addString(name)
				b.add(v)
			}
		}
	}
	for _, name := range k.headers {
		for _, v := range asForwarded(x).PeekAll(name) {
			b.addString(name)
			b.add(v)
		}
	}
	if to := &x.Rewrite; *to != (plugin.Rewrite{}) {
		b.addString(rewritten)
		b.addString(to.Host)
		b.addString(to.Path)
		b.addString(to.Moved)
	}
}

// forwardedRequest is an exchange's request as the upstream gets it.
type forwardedRequest plugin.Exchange

func asForwarded(x *plugin.Exchange) *forwardedRequest { return (*forwardedRequest)(x) }

// PeekAll is cache.Headers'. What the gateway itself adds is added first. Host is
// what the client has asked for: the upstream's own is the same for all of them.
func (r *forwardedRequest) PeekAll(name string) [][]byte {
	if r.Complete != nil && isAdded(name) {
		r.Complete()
	}
	values := r.Ctx.Request.Header.PeekAll(name)
	if len(values) == 0 && r.Rewrite.Authorized && strings.EqualFold(name, fasthttp.HeaderAuthorization) {
		return moved // the upstream has it in another field
	}
	return values
}

// moved stands for values that a plugin has put elsewhere; they are in the key.
var moved = [][]byte{[]byte("moved")}

// isAdded tells whether the gateway writes the field when it forwards.
func isAdded(name string) bool {
	const prefix = "x-forwarded-"
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) ||
		strings.EqualFold(name, "x-real-ip") || strings.EqualFold(name, "forwarded") || strings.EqualFold(name, "via")
}

// addQuery adds the parameters in an order that is not the client's. They count
// as they came, since that is how the upstream gets them: what is the same to
// one reader of a query (100% and 100%25, say) is not to another. Only for
// their order, and for whether they count, names are decoded.
func (k *cacheKey) addQuery(b *keyBuffer, query []byte) {
	b.params = b.params[:0]
	for len(query) > 0 {
		var p param
		p.raw, query, _ = bytes.Cut(query, []byte{'&'})
		p.name, _, _ = bytes.Cut(p.raw, []byte{'='})
		p.name = plugin.DecodeName(p.name)
		if k.query == nil || slices.Contains(k.query, plugin.View(p.name)) {
			b.params = append(b.params, p)
		}
	}
	if len(b.params) > 1 {
		// Stable: the order of values of one name may mean something.
		slices.SortStableFunc(b.params, func(a, b param) int { return bytes.Compare(a.name, b.name) })
	}
	for _, p := range b.params {
		b.add(p.raw)
	}
	clear(b.params)
}

// keyBuffer holds what is hashed. Each part has its length before it, so that
// no two requests run together.
type keyBuffer struct {
	bytes  []byte
	params []param
}

// param is a parameter of the query as it came, and its name decoded.
type param struct{ raw, name []byte }

func (b *keyBuffer) add(part []byte) {
	b.bytes = binary.AppendUvarint(b.bytes, uint64(len(part)))
	b.bytes = append(b.bytes, part...)
}

func (b *keyBuffer) addString(part string) {
	b.bytes = binary.AppendUvarint(b.bytes, uint64(len(part)))
	b.bytes = append(b.bytes, part...)
}

func lower(b []byte) {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
}

// uri is what responses of one target have in common, whichever the route, the consumer
// and the chosen fields: what is invalidated together (RFC 9111, 4.4). The scheme does
// not count, nor does letter case. Where not all of the query is in the key, none of it
// is here.
func (k *cacheKey) uri(host string, target []byte) cache.Key {
	path, query, _ := bytes.Cut(target, []byte{'?'})
	if k.query != nil {
		return k.uriOf(host, path, nil)
	}
	return k.uriOf(host, path, query)
}

// uris are those that a change of a target is of: other routes may count the query
// otherwise.
func (k *cacheKey) uris(host string, target []byte) []cache.Key {
	path, query, _ := bytes.Cut(target, []byte{'?'})
	if len(query) == 0 {
		return []cache.Key{k.uriOf(host, path, nil)}
	}
	return []cache.Key{k.uriOf(host, path, nil), k.uriOf(host, path, query)}
}

func (k *cacheKey) uriOf(host string, path, query []byte) cache.Key {
	b := k.buffer()
	b.addString(host)
	b.add(path)
	lower(b.bytes)
	(&cacheKey{}).addQuery(b, query)
	sum := sha256.Sum256(b.bytes)
	k.buffers.Put(b)
	return sum
}

// label puts the key and the status on a response.
func (p *proxyCache) label(r *fasthttp.Response, key cache.Key, status string) {
	if p.showKey {
		var digits [2 * len(key)]byte
		hex.Encode(digits[:], key[:])
		r.Header.SetCanonical(headerCacheKey, digits[:])
	}
	if p.showStatus {
		r.Header.Set(headerCacheStatus, status)
	}
}

// resource is what a response may be purged by.
func (p *proxyCache) resource(x *plugin.Exchange) (of cache.Resource) {
	if x.Route != nil {
		of.Route, of.RouteName = x.Route.ID, x.Route.Name
	}
	of.Host = strings.Clone(strings.ToLower(x.Host)) // it may be a view
	path, query, has := strings.Cut(string(x.Ctx.Request.Header.RequestURI()), "?")
	of.Path = route.Escape(route.Normalize(path)) // in the form that routes are matched in: other spellings are purged, too
	if has {
		of.Path += "?" + query
	}
	if p.key.ignoreCase {
		of.Path = strings.ToLower(of.Path)
	}
	return of
}
