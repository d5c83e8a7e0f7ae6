package entity

import (
	"fmt"
	"strings"
)

// matchPath takes a route's path: normal, as request paths are brought into
// before they are compared, or a regular expression after ~.
func matchPath(s string) string {
	expr, isExpr := strings.CutPrefix(s, "~")
	switch {
	case !strings.HasPrefix(expr, "/"):
		return "should start with: / (fixed path) or ~/ (regex path)"
	case strings.Contains(s, "//"):
		return "must not have empty segments"
	case isExpr:
		return "" // see routeExpressions
	}
	if m := badEscape(s); m != "" {
		return m
	}
	if n := normalPath(s); n != s {
		return "non-normalized path, consider use '" + n + "' instead"
	}
	return ""
}

// matchServicePath takes what may stand in a request line.
func matchServicePath(s string) string {
	if !strings.HasPrefix(s, "/") {
		return "should start with: /"
	}
	if strings.Contains(s, "//") {
		return "must not have empty segments"
	}
	for _, c := range []byte(s) {
		if !isLetterOrDigit(c) && strings.IndexByte("-._~/%:@!$&'()*+,;=", c) < 0 {
			return "invalid path: '" + s + "' (characters outside of the reserved list of RFC 3986 found)"
		}
	}
	return badEscape(s)
}

// badEscape is the message for a % that two hexadecimal digits do not follow.
func badEscape(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		if _, ok := escaped(s[i:]); !ok {
			return fmt.Sprintf("invalid url-encoded value: '%s'", s[i:min(i+3, len(s))])
		}
		i += 2
	}
	return ""
}

// escaped is the byte that s begins with an escape of.
func escaped(s string) (byte, bool) {
	const digits = "0123456789ABCDEF"
	if len(s) < 3 || s[0] != '%' {
		return 0, false
	}
	upper := strings.ToUpper(s[1:3])
	hi, lo := strings.IndexByte(digits, upper[0]), strings.IndexByte(digits, upper[1])
	return byte(hi<<4 | lo), hi >= 0 && lo >= 0
}

func isLetterOrDigit(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// normalPath is a path whose escapes are right, in the form that the router
// compares in: route.Normalize, which cannot be asked from here.
func normalPath(s string) string {
	var decoded strings.Builder
	for i := 0; i < len(s); i++ {
		c, ok := escaped(s[i:])
		switch {
		case !ok:
			decoded.WriteByte(s[i])
			continue
		case strings.IndexByte("!*'();:@&=+$,/?%#[]", c) >= 0:
			decoded.WriteString(strings.ToUpper(s[i : i+3]))
		default:
			decoded.WriteByte(c)
		}
		i += 2
	}
	var kept []string
	segments := strings.Split(decoded.String(), "/")
	for i, segment := range segments[1:] {
		last := i == len(segments)-2
		switch segment {
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
			fallthrough
		case ".", "":
			if !last {
				continue
			}
			segment = ""
		}
		kept = append(kept, segment)
	}
	return "/" + strings.Join(kept, "/")
}

// distinctHeaders refuses names that differ in case alone: they are one header.
func distinctHeaders(r Record) map[string]any {
	headers, _ := r["headers"].(map[string]any)
	seen := map[string]string{}
	for name := range headers {
		lower := strings.ToLower(name)
		if other, twice := seen[lower]; twice {
			return map[string]any{"headers": fmt.Sprintf("'%s' and '%s' are the same header", min(name, other), max(name, other))}
		}
		seen[lower] = name
	}
	return nil
}
