package route

import (
	"bytes"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Normalize brings a request path (no query, percent-encoded) into the one
// form that routes are compared in: everything but reserved characters is
// decoded, the other escapes are in upper case, "." and ".." are resolved,
// runs of slashes are one. The result is for matching and for UpstreamPath,
// which escapes again; it must not be written to the wire as it is. A path
// that is normal already is returned itself, without allocation.
func Normalize(path string) string {
	if !abnormal(path) {
		return path
	}
	return string(resolve(decode(path)))
}

// abnormal says whether path needs work: an escape, two slashes in a row, or
// a dot segment.
func abnormal(path string) bool {
	start := 0 // of the segment that i is in
	for i := range len(path) {
		switch path[i] {
		case '%':
			return true
		case '/':
			if i > 0 && i == start || dots(path[start:i]) {
				return true
			}
			start = i + 1
		}
	}
	return dots(path[start:])
}

func dots(segment string) bool { return segment == "." || segment == ".." }

// decode replaces escapes of all but reserved characters. A percent sign that
// begins no escape is escaped itself: otherwise "%%32e" would leave here as
// "%2e", a dot that only the upstream sees.
func decode(path string) []byte {
	out := make([]byte, 0, len(path)+8)
	for i := 0; i < len(path); i++ {
		if path[i] != '%' {
			out = append(out, path[i])
			continue
		}
		hi, lo := -1, -1
		if i+2 < len(path) {
			hi, lo = unhex(path[i+1]), unhex(path[i+2])
		}
		switch {
		case hi < 0 || lo < 0:
			out = append(out, "%25"...)
			continue
		case reserved(byte(hi<<4 | lo)):
			out = append(out, '%', upperHex[hi], upperHex[lo])
		default:
			out = append(out, byte(hi<<4|lo))
		}
		i += 2
	}
	return out
}

// resolve removes dot segments (RFC 3986, 5.2.4) and merges slashes, in place.
func resolve(p []byte) []byte {
	rooted := len(p) > 0 && p[0] == '/'
	out := p[:0]
	for i := 0; i < len(p); {
		for i < len(p) && p[i] == '/' {
			i++
		}
		end := i
		for end < len(p) && p[end] != '/' {
			end++
		}
		segment, last := p[i:end], end == len(p)
		i = end
		switch string(segment) {
		case "..":
			out = out[:max(bytes.LastIndexByte(out, '/'), 0)]
			fallthrough
		case ".":
			if last && (rooted || len(out) > 0) {
				out = append(out, '/')
			}
		default:
			if rooted || len(out) > 0 {
				out = append(out, '/')
			}
			out = append(out, segment...)
		}
	}
	return out
}

const upperHex = "0123456789ABCDEF"

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// reserved characters have a meaning in a URI that escaping takes away, so
// they stay as the client wrote them.
func reserved(c byte) bool {
	return strings.IndexByte("!*'();:@&=+$,/?%#[]", c) >= 0
}

// safe characters may be written to the wire as they are.
func safe(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~' || reserved(c)
}

// UpstreamPath is the path to ask the upstream for, ready for the wire: the
// service's own path ("" means "/") joined with the request's by the route's
// path_handling, less prefix (a Match's Prefix) when the route has strip_path.
// requestPath is normalised. Where the answer is a part of requestPath there
// is no allocation.
func UpstreamPath(route *entity.Route, servicePath, requestPath, prefix string) string {
	head, tail := joinPath(route, servicePath, requestPath, prefix)
	path := tail
	if head != "" {
		path = head + tail
	}
	return Escape(path)
}

// AppendUpstreamPath appends what UpstreamPath returns to dst.
func AppendUpstreamPath(dst []byte, route *entity.Route, servicePath, requestPath, prefix string) []byte {
	head, tail := joinPath(route, servicePath, requestPath, prefix)
	return appendEscaped(appendEscaped(dst, head), tail)
}

func appendEscaped(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; safe(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

// joinPath gives the upstream path in two parts to be written one after the
// other. base is the service's path; rest is what of the request's path is to
// follow it. v1 puts them together as they are (but never doubles a slash);
// v0 sees to it that there is a slash between them, and that a trailing slash
// is there when, and only when, the request had one.
func joinPath(route *entity.Route, base, path, prefix string) (head, tail string) {
	if base == "" {
		base = "/"
	}
	slash := strings.HasSuffix(base, "/")
	if !route.StripPath {
		switch {
		case base == "/":
			return "", path
		case slash || route.PathHandling == "v1" || path == "/":
			return base, strings.TrimPrefix(path, "/")
		}
		return base, path
	}
	rest := strings.TrimPrefix(path, "/")
	if prefix != "" {
		rest = leadingDots(path[len(prefix):])
	}
	leads := strings.HasPrefix(rest, "/")
	switch {
	case slash && leads:
		return base[:len(base)-1], rest
	case route.PathHandling == "v1" || leads:
		return base, rest
	case rest != "" && slash:
		return base, rest
	case rest != "":
		return base, "/" + rest
	case base == "/" || slash && strings.HasSuffix(path, "/"):
		return base, ""
	case slash:
		return base[:len(base)-1], ""
	case len(path) > 1 && strings.HasSuffix(path, "/"):
		return base, "/"
	}
	return base, ""
}

// leadingDots drops the dot segment that cutting a prefix off may lay bare:
// "/a.." less "/a" must not climb out of the service's path.
func leadingDots(rest string) string {
	switch {
	case rest == "." || rest == "..":
		return ""
	case strings.HasPrefix(rest, "./"):
		return rest[2:]
	case strings.HasPrefix(rest, "../"):
		return rest[3:]
	}
	return rest
}

// Escape makes a normalised path ready for the wire. One that is so already is returned
// itself, without allocation.
func Escape(path string) string {
	for i := range len(path) {
		if !safe(path[i]) {
			return string(appendEscaped(make([]byte, 0, len(path)+8), path))
		}
	}
	return path
}
