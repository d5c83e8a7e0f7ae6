package plugin

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"sync"

	"github.com/valyala/fasthttp"

	"gatelab/gateway/internal/cache"
)

var (
	headerAge        = []byte("Age")
	headerCacheKey   = []byte("X-Cache-Key")
	onlyIfCachedBody = []byte(`{"message":"Gateway Timeout"}`)
	methodGet        = []byte("GET")
)

const headerCacheStatus = "X-Cache-Status"

// cacheKey makes a request's key: the SHA-256 of consumer (where they do not
// share), route, method, path and query, and the headers that the operator
// chose. The host counts where the upstream sees it. HEAD has GET's key: its
// answer is made of the same entry.
type cacheKey struct {
	consumer   bool
	ignoreCase bool
	query      []string // sorted; nil: all
	headers    []string // sorted
	buffers    sync.Pool
}

func (k *cacheKey) of(x *Exchange) cache.Key {
	b, _ := k.buffers.Get().(*keyBuffer)
	if b == nil {
		b = &keyBuffer{}
	}
	h := &x.Ctx.Request.Header
	b.bytes = b.bytes[:0]
	if k.consumer && x.Consumer != nil {
		b.addString(x.Consumer.ID)
	} else {
		b.addString("")
	}
	if x.Route != nil {
		b.addString(x.Route.ID)
		if x.Route.PreserveHost {
			b.add(h.Host())
		}
	}
	if method := h.Method(); h.IsHead() {
		b.add(methodGet)
	} else {
		b.add(method)
	}
	// The path as it came: what it decodes to may be the same for two that
	// the upstream tells apart.
	path, query, _ := bytes.Cut(h.RequestURI(), []byte{'?'})
	at := len(b.bytes)
	b.add(path)
	if k.ignoreCase {
		lower(b.bytes[at:])
	}
	k.addQuery(b, x, query)
	for _, name := range k.headers {
		for _, v := range h.PeekAll(name) {
			b.addString(name)
			b.add(v)
		}
	}
	sum := sha256.Sum256(b.bytes)
	k.buffers.Put(b)
	return sum
}

// addQuery adds the parameters in an order that is not the client's.
func (k *cacheKey) addQuery(b *keyBuffer, x *Exchange, query []byte) {
	if len(query) == 0 {
		return
	}
	b.pairs = b.pairs[:0]
	for name, value := range x.Ctx.QueryArgs().All() {
		if k.query == nil || slices.Contains(k.query, viewString(name)) {
			b.pairs = append(b.pairs, [2][]byte{name, value})
		}
	}
	if len(b.pairs) > 1 {
		// Stable: the order of values of one name may mean something.
		slices.SortStableFunc(b.pairs, func(a, b [2][]byte) int { return bytes.Compare(a[0], b[0]) })
	}
	for _, p := range b.pairs {
		b.add(p[0])
		b.add(p[1])
	}
	clear(b.pairs)
}

// keyBuffer holds what is hashed. Each part has its length before it, so that
// no two requests run together.
type keyBuffer struct {
	bytes []byte
	pairs [][2][]byte
}

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
