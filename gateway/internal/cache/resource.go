package cache

import "strings"

// Resource is what a purge may name a response by, beside its key and its tags.
type Resource struct {
	Route, RouteName string // the route's ID and name
	Host             string // as the client asked for it, lower-case, without a port
	// Path has the query. It is in the form that routes are matched in, with escapes in upper
	// case; lower-case where the key ignores letter case.
	Path string
}

func (r *Resource) weight() int { return len(r.Route) + len(r.RouteName) + len(r.Host) + len(r.Path) }

// SurrogateKey and CacheTag are the fields in which an origin names a response's tags: separated by spaces in one, by
// commas in the other.
const (
	SurrogateKey = "Surrogate-Key"
	CacheTag     = "Cache-Tag"
)

// IsTagField tells whether a field of that canonical name has tags.
func IsTagField(name []byte) bool { return string(name) == SurrogateKey || string(name) == CacheTag }

// tags calls f with each tag until that returns true, which it reports.
func (e *Entry) tags(f func(tag []byte) bool) bool {
	for i := range e.Header {
		field := &e.Header[i]
		separator := byte(' ')
		switch string(field.Name) {
		case SurrogateKey:
		case CacheTag:
			separator = ','
		default:
			continue
		}
		for rest := field.Value; len(rest) > 0; {
			var tag []byte
			tag, rest = cut(rest, separator)
			if len(tag) > 0 && f(tag) {
				return true
			}
		}
	}
	return false
}

// cut is bytes.Cut by a byte, with the spaces around what is before it taken off.
func cut(b []byte, separator byte) (before, after []byte) {
	end := len(b)
	for i, c := range b {
		if c == separator {
			end = i
			after = b[i+1:]
			break
		}
	}
	before = b[:end]
	for len(before) > 0 && (before[0] == ' ' || before[0] == '\t') {
		before = before[1:]
	}
	for len(before) > 0 && (before[len(before)-1] == ' ' || before[len(before)-1] == '\t') {
		before = before[:len(before)-1]
	}
	return before, after
}

// prefix is the beginning of a URL: of a path on any host, or of one host's.
type prefix struct{ host, path, lower string }

func parsePrefix(s string) (p prefix) {
	host, path, _ := strings.Cut(s, "/")
	p = prefix{host: strings.ToLower(host), path: "/" + path}
	p.lower = strings.ToLower(p.path)
	return p
}

func (p *prefix) fits(r *Resource) bool {
	return (p.host == "" || p.host == r.Host) && (strings.HasPrefix(r.Path, p.path) || strings.HasPrefix(r.Path, p.lower))
}
