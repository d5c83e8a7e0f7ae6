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
		case c == '%', c == ';', c == '\\', c <= ' ', c == 0x7f, c == 0x85, c == 0xa0, c == 0xc0, c == 0xc1:
			return false
		case c == '.' && (i+1 == len(path) || path[i+1] == '/'):
			return false
		}
	}
	return true
}

// maxReadings is how many readings a path can have at most: three depths of
// decoding, in each the path itself, one for each reader and one for all of
// them, with and without merging slashes.
const maxReadings = 3 * (2 + 6) * 2

// Readings are the other paths that servers are known to make of a path: they
// decode it once more or twice, take a backslash for a slash, drop path
// parameters, control characters and spaces, end at a NUL, trim segments, or
// decode overlong UTF-8; then they resolve dot segments, with or without
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
	for range 3 {
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

// overlong replaces two-byte forms of '.', '/' and '\' that no valid UTF-8 has.
func overlong(p []byte) []byte {
	if bytes.IndexByte(p, 0xc0) < 0 && bytes.IndexByte(p, 0xc1) < 0 {
		return p
	}
	return []byte(strings.NewReplacer("\xc0\xae", ".", "\xc0\xaf", "/", "\xc1\x9c", "/").Replace(string(p)))
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
