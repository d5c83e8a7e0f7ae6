package proxy

import (
	"bytes"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// What is done with request fields that have '_' in their names, or another mark
// than single dashes between letters and digits. CGI, WSGI and PHP read
// X_Consumer_Username, X.Consumer.Username and X-Consumer-Username as one
// variable.
const (
	UnderscoresSafe = "safe" // those that read as a field of the gateway, of the framing or of the configuration are dropped
	UnderscoresDrop = "drop" // all are dropped, as nginx does by default
	UnderscoresKeep = "keep" // all pass
)

// fieldSet says which fields that need work a request has.
type fieldSet uint16

const (
	fieldConnection fieldSet = 1 << iota
	fieldUpgrade
	fieldForwarded
	fieldVia
	fieldTE
	fieldTrailer
)

// fieldScan is what one pass over a request's header block found.
type fieldScan struct {
	has  fieldSet
	drop [][]byte // names of fields that are not the client's to send, views of the block

	trailers  bool   // the client takes trailers
	announced []byte // names of the trailers that it will send; kept from request to request
}

// screen looks at every field name of a raw header block once: it notes what
// has to be dropped and what needs work later, so that an ordinary request
// pays for no further look-ups. ok is false when a name is no token.
//
// squeezed are the names that the configuration decides by, see squeeze.
func (s *fieldScan) screen(block []byte, underscores string, squeezed map[string]bool) (ok bool) {
	s.has, s.drop = 0, s.drop[:0]
	s.trailers, s.announced = false, s.announced[:0]
	for len(block) > 0 {
		line := block
		if end := bytes.IndexByte(block, '\n'); end >= 0 {
			line, block = block[:end], block[end+1:]
		} else {
			block = nil
		}
		if len(line) == 0 || line[0] == ' ' || line[0] == '\t' || line[0] == '\r' {
			continue // the end, or the rest of a folded value
		}
		colon := 0
		odd := false
		last := byte('-')
		for ; colon < len(line) && line[colon] != ':'; colon++ {
			c := line[colon]
			switch {
			case c == ' ' || c == '\t':
				return false
			case c == '-':
				odd = odd || last == '-' // at the beginning, or two of them
			case c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9':
			default:
				odd = true
			}
			last = c
		}
		if name := line[:colon]; odd || last == '-' {
			s.odd(name, underscores, squeezed)
		} else {
			s.note(name)
		}
	}
	return true
}

// note sorts one name.
func (s *fieldScan) note(name []byte) {
	if len(name) == 0 {
		return
	}
	switch name[0] | 0x20 {
	case 'c':
		switch {
		case is(name, "connection"):
			s.has |= fieldConnection
		case len(name) != len("content-length") && squeezesTo(name, "contentlength"):
			s.drop = append(s.drop, name)
		}
	case 'u':
		if is(name, "upgrade") {
			s.has |= fieldUpgrade
		}
	case 'v':
		if is(name, "via") {
			s.has |= fieldVia
		}
	case 'f':
		if is(name, "forwarded") {
			s.has |= fieldForwarded
		}
	case 'e':
		if is(name, "expect") { // answered by the gateway itself
			s.drop = append(s.drop, name)
		}
	case 'h':
		if is(name, "http2-settings") { // of an upgrade to h2c, which is not passed on
			s.drop = append(s.drop, name)
		}
	case 'k', 'p', 't':
		switch {
		case is(name, "te"):
			s.has |= fieldTE
		case is(name, "trailer"):
			s.has |= fieldTrailer
		}
		if isHopByHop(name) || len(name) != len("transfer-encoding") && squeezesTo(name, "transferencoding") {
			s.drop = append(s.drop, name)
		}
	case 'x':
		if isIdentity(name) {
			s.drop = append(s.drop, name)
		}
	}
}

// odd decides about a name with other marks than single dashes inside it.
func (s *fieldScan) odd(name []byte, rule string, configured map[string]bool) {
	switch {
	case rule == UnderscoresKeep:
		return
	case rule == UnderscoresDrop && bytes.IndexByte(name, '_') >= 0:
	case !readsAsOwn(name, configured):
		return
	}
	s.drop = append(s.drop, name)
}

// is compares a name with one in lower case.
func is(name []byte, lower string) bool {
	return len(name) == len(lower) && hasPrefixFold(name, lower)
}

func hasPrefixFold(name []byte, lower string) bool {
	if len(name) < len(lower) {
		return false
	}
	for i := range len(lower) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// hopByHop belong to one connection (RFC 9110, 7.6.1). Connection and Upgrade
// are examined by themselves; Transfer-Encoding and Content-Length are the
// codec's. Proxy is a variable that CGI programs take for their own (httpoxy).
var hopByHop = []string{"keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer", "proxy"}

func isHopByHop(name []byte) bool {
	for _, h := range hopByHop {
		if is(name, h) {
			return true
		}
	}
	return false
}

// identity begins the names by which the gateway tells the upstream who asks.
var identity = []string{"x-consumer-", "x-credential-", "x-authenticated-", "x-anonymous-", "x-client-cert-"}

func isIdentity(name []byte) bool {
	for _, prefix := range identity {
		if hasPrefixFold(name, prefix) {
			return true
		}
	}
	return false
}

// squeeze leaves letters, in lower case, and digits of a name.
func squeeze(name []byte) string {
	out := make([]byte, 0, len(name))
	for _, c := range name {
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			out = append(out, c|0x20)
		case c >= '0' && c <= '9':
			out = append(out, c)
		}
	}
	return string(out)
}

// squeezesTo compares a squeezed name without making it.
func squeezesTo(name []byte, to string) bool {
	at := 0
	for _, c := range name {
		if c|0x20 >= 'a' && c|0x20 <= 'z' {
			c |= 0x20
		} else if c < '0' || c > '9' {
			continue
		}
		if at == len(to) || c != to[at] {
			return false
		}
		at++
	}
	return at == len(to)
}

// ownPrefixes and ownNames are squeezed: what the gateway writes, what frames a
// message, and what CGI programs read as their own.
var (
	ownPrefixes = []string{"xconsumer", "xcredential", "xauthenticated", "xanonymous", "xclientcert", "xforwarded", "xkong", "secwebsocket"}
	ownNames    = map[string]bool{
		"xrealip": true, "contentlength": true, "contenttype": true, "contentencoding": true, "transferencoding": true, "connection": true,
		"upgrade": true, "host": true, "expect": true, "keepalive": true, "proxyauthenticate": true, "proxyauthorization": true,
		"proxyconnection": true, "te": true, "trailer": true, "proxy": true, "http2settings": true, "forwarded": true, "via": true,
		"authorization": true, "cookie": true,
	}
)

// readsAsOwn tells whether a name without its marks is one that the gateway
// writes, that frames the message, or that the configuration decides by.
func readsAsOwn(name []byte, configured map[string]bool) bool {
	squeezed := squeeze(name)
	if ownNames[squeezed] || configured[squeezed] {
		return true
	}
	for _, prefix := range ownPrefixes {
		if strings.HasPrefix(squeezed, prefix) {
			return true
		}
	}
	return false
}

// endToEnd are fields that a Connection field cannot take off a message: they
// say who asks, for what, and what the answer is made of, so that a cache, a
// limit or a plugin would otherwise see another message than its receiver.
var endToEnd = []string{
	"accept", "authorization", "cache-control", "content-", "cookie", "date", "etag", "expires", "forwarded", "host", "if-",
	"idempotency-key", "last-modified", "location", "origin", "pragma", "range", "referer", "set-cookie", "sec-", "traceparent",
	"user-agent", "vary", "via", "www-authenticate", "x-anonymous-", "x-authenticated-", "x-client-cert-", "x-consumer-", "x-credential-",
	"x-forwarded-", "x-idempotency-key", "x-real-ip", "age", "transfer-encoding",
}

// isEndToEnd tells whether a name may not be removed by a Connection field;
// configured are further names, in lower case, that routes and plugins use.
func isEndToEnd(name []byte, configured map[string]bool) bool {
	for _, prefix := range endToEnd {
		if hasPrefixFold(name, prefix) {
			return true
		}
	}
	if len(configured) == 0 {
		return false
	}
	return configured[string(bytes.ToLower(name))]
}

// appendListed appends the names of fields that Connection fields take off a message.
func appendListed(names, connection [][]byte, configured map[string]bool) [][]byte {
	for _, list := range connection {
		for len(list) > 0 {
			var name []byte
			name, list, _ = bytes.Cut(list, comma)
			name = bytes.TrimSpace(name)
			if len(name) == 0 || bytes.EqualFold(name, tokenClose) || bytes.EqualFold(name, tokenKeepAlive) || isEndToEnd(name, configured) {
				continue
			}
			names = append(names, name)
		}
	}
	return names
}

// listsToken tells whether one of several lines of a list field has a token.
func listsToken(lines [][]byte, token []byte) bool {
	for _, list := range lines {
		for len(list) > 0 {
			var item []byte
			item, list, _ = bytes.Cut(list, comma)
			if bytes.EqualFold(bytes.TrimSpace(item), token) {
				return true
			}
		}
	}
	return false
}

// clean takes off the request, in place and before anything is decided by it,
// what belongs to the client's connection and what is not the client's to say.
// What routes, plugins and the cache see is then what will be sent. websocket
// tells whether the client asks for one; no other protocol is passed on.
func (s *fieldScan) clean(h *fasthttp.RequestHeader, configured map[string]bool) (websocket bool) {
	if s.has&(fieldTE|fieldTrailer) != 0 {
		s.trailers = listsToken(h.PeekAll("TE"), tokenTrailers)
		s.announced = append(s.announced, h.Peek("Trailer")...)
	}
	closing := false
	if s.has&fieldConnection != 0 {
		if s.has&fieldUpgrade != 0 && h.IsHTTP11() && h.IsGet() && listsToken(h.PeekAll("Connection"), tokenUpgrade) {
			websocket = listsToken(h.PeekAll("Upgrade"), tokenWebSocket)
		}
		closing = h.ConnectionClose()
		s.drop = append(appendListed(s.drop, h.PeekAll("Connection"), configured), headerConnection)
	}
	if s.has&fieldUpgrade != 0 {
		s.drop = append(s.drop, headerUpgrade)
	}
	plugin.DeleteFields(h, s.drop)
	if closing {
		h.SetConnectionClose() // the server goes by it
	}
	if s.trailers {
		h.SetCanonical(headerTE, tokenTrailers) // as it is forwarded; see copyHeader
	}
	return websocket
}
