package route

import (
	"bytes"
	"slices"
	"strings"
)

// Plain tells whether every server reads a normalised path the same way: it has
// no escape that a server could decode further, no path parameter, backslash,
// control character, space, or segment that ends in a dot.
func Plain(path string) bool {
	for i := range len(path) {
		switch c := path[i]; {
		case c == '%', c == ';', c == '\\', c <= ' ', c == 0x7f, c == 0x85, c == 0xa0, c >= 0xc0 && c <= 0xc1, c == 0xe0, c == 0xef, c >= 0xf0:
			return false
		case c == '.' && (i+1 == len(path) || path[i+1] == '/'):
			return false
		}
	}
	return true
}

// maxReadings is how many readings a path can have at most: for each depth of
// decoding, the path itself, one for each reader and one for all of
// them, with and without merging slashes.
const maxReadings = depths * (2 + 6) * 2

// depths is how often a path is decoded at most, and one more.
const depths = 5

// Readings are the other paths that servers are known to make of a path: they
// decode it up to four times more, take a backslash for a slash, drop path
// parameters, control characters and spaces, end at a NUL, trim segments, or
// decode overlong UTF-8 or full-width forms; then they resolve dot segments, with or without
// merging slashes first. The path itself is left out. The result is in no
// order, without duplicates, at most maxReadings long.
func Readings(path string) []string {
	var found []string
	add := func(p []byte) {
		for _, merge := range [...]bool{true, false} {
			r := string(resolveWith(bytes.Clone(p), merge))
			if r != path && !slices.Contains(found, r) {
				found = append(found, r)
			}
		}
	}
	decoded := []byte(path)
	for range depths {
		add(readAll(decoded))
		for _, read := range readers {
			add(read(bytes.Clone(decoded)))
		}
		add(decoded)
		next := decodeAll(decoded)
		if bytes.Equal(next, decoded) {
			break
		}
		decoded = next
	}
	return found
}

// readers are the ways to read a path, one by one. Each may change its argument.
var readers = []func([]byte) []byte{backslashes, dropParameters, dropControls, cutAtNUL, trimSegments, overlong}

// readAll applies all of them together, but for the cut.
func readAll(p []byte) []byte {
	p = overlong(bytes.Clone(p))
	return trimSegments(dropControls(dropParameters(backslashes(p))))
}

func backslashes(p []byte) []byte { return bytes.ReplaceAll(p, []byte{'\\'}, []byte{'/'}) }

// dropParameters removes what follows a semicolon in each segment (RFC 3986,
// 3.3), as servlet containers do.
func dropParameters(p []byte) []byte {
	out := p[:0]
	skip := false
	for _, c := range p {
		switch c {
		case ';':
			skip = true
		case '/':
			skip = false
		}
		if !skip {
			out = append(out, c)
		}
	}
	return out
}

func dropControls(p []byte) []byte {
	return slices.DeleteFunc(p, func(c byte) bool { return c <= ' ' || c == 0x7f })
}

func cutAtNUL(p []byte) []byte {
	before, _, _ := bytes.Cut(p, []byte{0})
	return before
}

// trimSegments removes spaces and dots at the end of each segment, as file
// systems do that ignore them. Dot segments stay.
func trimSegments(p []byte) []byte {
	segments := strings.Split(string(p), "/")
	for i, s := range segments {
		if !dots(s) {
			segments[i] = s[:trimmed(s)]
		}
	}
	return []byte(strings.Join(segments, "/"))
}

// trimmed is the length of s without what it ends in. It goes by bytes: the
// last two are no-break space and next line in Latin-1.
func trimmed(s string) int {
	n := len(s)
	for n > 0 && strings.IndexByte(" \t.\x85\xa0", s[n-1]) >= 0 {
		n--
	}
	return n
}

// overlong replaces what some decoders take for an ASCII character: UTF-8 in more
// bytes than it needs, and the full-width forms.
func overlong(p []byte) []byte {
	out := p[:0]
	for i := 0; i < len(p); {
		c, n := lenient(p[i:])
		switch {
		case n > 1 && c < 0x80:
			out = append(out, byte(c))
		case n > 1 && 0xff01 <= c && c <= 0xff5e:
			out = append(out, byte(c-0xff01+'!'))
		default:
			out = append(out, p[i:i+n]...)
		}
		i += n
	}
	return out
}

// lenient decodes one character of UTF-8 of up to four bytes without asking
// whether fewer would do. What is none is one byte.
func lenient(p []byte) (c rune, n int) {
	switch c := p[0]; {
	case c&0xe0 == 0xc0:
		n = 2
	case c&0xf0 == 0xe0:
		n = 3
	case c&0xf8 == 0xf0:
		n = 4
	default:
		return rune(c), 1
	}
	if len(p) < n {
		return rune(p[0]), 1
	}
	c = rune(p[0] & (0xff >> (n + 1)))
	for _, b := range p[1:n] {
		if b&0xc0 != 0x80 {
			return rune(p[0]), 1
		}
		c = c<<6 | rune(b&0x3f)
	}
	return c, n
}

// decodeAll replaces every escape once, also those of reserved characters.
func decodeAll(p []byte) []byte {
	out := make([]byte, 0, len(p))
	for i := 0; i < len(p); i++ {
		if p[i] == '%' && i+2 < len(p) {
			if hi, lo := unhex(p[i+1]), unhex(p[i+2]); hi >= 0 && lo >= 0 {
				out = append(out, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		out = append(out, p[i])
	}
	return out
}

// resolveWith removes dot segments, in place. Without merge an empty segment
// counts as one, as RFC 3986 has it; then slashes are merged all the same, for
// the comparison with routes.
func resolveWith(p []byte, merge bool) []byte {
	if merge {
		return resolve(p)
	}
	segments := strings.Split(string(p), "/")
	var out []string
	for _, s := range segments {
		switch s {
		case ".":
		case "..":
			if len(out) > 1 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, s)
		}
	}
	return resolve([]byte(strings.Join(out, "/")))
}

// Unescape decodes escaped slashes and backslashes of a normalised path into
// slashes and resolves what that lays bare, as Envoy's UNESCAPE_AND_FORWARD.
func Unescape(path string) string {
	if !strings.Contains(path, "%2F") && !strings.Contains(path, `\`) {
		return path
	}
	return string(resolve([]byte(strings.NewReplacer("%2F", "/", `\`, "/").Replace(path))))
}

// Within tells whether path, as an upstream may read it, stays in the tree of
// base: a service's own path. Both begin with a slash; "" and "/" hold all.
func Within(base, path string) bool {
	base = strings.TrimSuffix(base, "/")
	if base == "" {
		return true
	}
	rest, ok := strings.CutPrefix(path, base)
	return ok && (rest == "" || rest[0] == '/')
}
