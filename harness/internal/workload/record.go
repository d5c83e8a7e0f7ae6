package workload

import (
	"net/url"
	"strings"
	"time"
)

// record is one request as its source has it.
type record struct {
	name    string // empty: made of method and path
	method  string
	target  string // an absolute URL, or a path with its query
	header  []field
	body    string
	at      time.Time // zero: unknown
	ids     int       // above 0: the target has {id}, which is drawn from 1 to ids
	trimmed []string  // what the parser did not keep
	leftOut string    // not empty: the reason why it cannot be kept
	log     bool      // of an access log: the host does not count, the server that logged it is the one
}

// field is one header field.
type field struct{ name, value string }

// Reasons for which a request is left out.
const (
	reasonHost    = "to other hosts"
	reasonScheme  = "not HTTP"
	reasonMethod  = "methods that cannot be sent (CONNECT, TRACE, or no method in capitals)"
	reasonBody    = "bodies above 64 KiB"
	reasonBinary  = "bodies that are not text"
	reasonText    = "beyond the 900 KiB that all requests of a scenario may take"
	reasonTarget  = "targets that are no path of at most 4 KiB"
	reasonPath    = "paths that gateways refuse or rewrite (dot segments, encoded slashes and dots, backslashes)"
	reasonRare    = "rarer than the most frequent requests (--max-requests)"
	reasonKinds   = "more than 100,000 different requests, or more than 256 MiB of them"
	reasonLine    = "lines that are not of the format"
	reasonFile    = "bodies in files that cannot be read"
	reasonForm    = "multipart forms (-F): their boundary and files are not text that can be repeated"
	reasonOptions = "options of curl that change what is sent and are not supported"
)

// What a request is kept without.
const (
	trimSecretHeader = "secret headers (Authorization, Cookie and others; --keep-secrets keeps them)"
	trimSecretQuery  = "secret parameters of the query (--keep-secrets keeps them)"
	trimSecretBody   = "secret values in bodies, replaced by \"left-out\" (--keep-secrets keeps them)"
	trimUser         = "user and password of the URL (--keep-secrets keeps them)"
	trimHeader       = "headers that the load generator or the connection sets itself (Host, Content-Length, Accept-Encoding and others)"
	trimName         = "headers that cannot be sent"
	trimDouble       = "repeated headers, of which the last is sent"
	trimPause        = "pauses over 1 s between requests (think times): requests are sent at an even rate"
	trimLogHeader    = "headers of the log"
	trimLogBody      = "bodies: a log has none"
	trimFragment     = "fragments of the URL"
)

// sendable says whether the load generator and HTTP/1.1 have a method.
func sendable(method string) bool {
	if method == "CONNECT" || method == "TRACE" || len(method) < 3 || len(method) > 10 {
		return false
	}
	return strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// address is where a target points: its host in lower case (empty for a path), and its path with the query, escaped as far as needed.
type address struct {
	host, uri string
	user      *url.Userinfo
	fragment  bool
}

// locate splits a target. The reason is not empty if there is no request to make of it.
func locate(target string) (a address, reason string) {
	if len(target) > maxTarget {
		return a, reasonTarget
	}
	if !strings.HasPrefix(target, "/") {
		scheme, rest, ok := strings.Cut(target, ":")
		if !ok {
			return a, reasonTarget
		}
		if s := strings.ToLower(scheme); s != "http" && s != "https" {
			return a, reasonScheme
		}
		rest, ok = strings.CutPrefix(rest, "//")
		if !ok {
			return a, reasonTarget
		}
		end := strings.IndexAny(rest, "/?#")
		if end < 0 {
			end = len(rest)
		}
		authority := rest[:end]
		target = rest[end:]
		if at := strings.LastIndexByte(authority, '@'); at >= 0 {
			name, password, _ := strings.Cut(authority[:at], ":")
			a.user = url.UserPassword(unescape(name), unescape(password))
			authority = authority[at+1:]
		}
		a.host = strings.ToLower(authority)
		if a.host == "" {
			return a, reasonTarget
		}
	}
	target, _, a.fragment = strings.Cut(target, "#")
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	a.uri = escape(target)
	if len(a.uri) > maxTarget {
		return a, reasonTarget
	}
	return a, ""
}

func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// escape percent-encodes what a request line must not have, and the braces of the placeholder. Whatever is encoded stays as it is.
func escape(uri string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(uri) {
		c := uri[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{}|", c) >= 0 {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
