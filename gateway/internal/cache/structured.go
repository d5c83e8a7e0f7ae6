package cache

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// targeted reads the CDN-Cache-Control fields of a response (RFC 9213): a
// dictionary of structured fields (RFC 9651), which counts in the place of
// Cache-Control and Expires. ok is false where there is none, it is empty, or it is
// not well-formed: then it is as if it was not there.
func targeted(values [][]byte) (d Directives, ok bool) {
	if len(values) == 0 {
		return d, false
	}
	p := parser{rest: bytes.Join(values, []byte(", "))}
	d = noDirectives()
	seen := map[string]member{}
	p.spaces()
	for len(p.rest) > 0 && !p.bad {
		name := p.key()
		seen[name] = p.member() // the last of several counts
		p.tabs()
		if len(p.rest) == 0 {
			break
		}
		if !p.take(',') {
			return d, false
		}
		p.tabs()
		p.bad = p.bad || len(p.rest) == 0 // a comma at the end
	}
	if p.bad || len(seen) == 0 {
		return d, false
	}
	for name, m := range seen {
		d.addMember(name, m)
	}
	return d, true
}

// addMember is add for a member of a dictionary. A value of another type than the
// directive's is a restriction all the same, and no lifetime.
func (d *Directives) addMember(name string, m member) {
	if m.kind == '?' && !m.truth {
		return
	}
	switch name {
	case "no-cache":
		d.NoCache = m.kind != '"' || !d.withhold(m.text) || d.NoCache
	case "private":
		d.Private = m.kind != '"' || !d.withhold(m.text) || d.Private
	default:
		d.flag(name)
		d.lifetime(name, func() time.Duration {
			if m.kind != 'i' || m.number < 0 {
				return 0
			}
			return time.Duration(min(m.number, mostSeconds)) * time.Second
		})
	}
}

// member is a value in a dictionary: an integer 'i', a boolean '?', a string '"',
// or something else.
type member struct {
	kind   byte
	number int64
	truth  bool
	text   []byte
}

// parser takes structured values off rest; the first that is not well-formed makes it
// bad.
type parser struct {
	rest []byte
	bad  bool
}

func (p *parser) take(c byte) bool {
	if len(p.rest) == 0 || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *parser) spaces() { p.rest = bytes.TrimLeft(p.rest, " ") }
func (p *parser) tabs()   { p.rest = bytes.TrimLeft(p.rest, " \t") }

// while takes the bytes of a class, the first of which may be of a narrower one.
func (p *parser) while(first, rest func(c byte) bool) []byte {
	n := 0
	for n < len(p.rest) && (n == 0 && first(p.rest[0]) || n > 0 && rest(p.rest[n])) {
		n++
	}
	if n == 0 {
		p.bad = true
	}
	taken := p.rest[:n]
	p.rest = p.rest[n:]
	return taken
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isAlpha(c byte) bool { return isLower(c | 0x20) }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (p *parser) key() string {
	return string(p.while(
		func(c byte) bool { return isLower(c) || c == '*' },
		func(c byte) bool { return isLower(c) || isDigit(c) || strings.IndexByte("_-.*", c) >= 0 },
	))
}

// member takes what follows a key: a value, nothing (which is true), and parameters,
// which say nothing.
func (p *parser) member() (m member) {
	m = member{kind: '?', truth: true}
	if p.take('=') {
		if p.take('(') {
			m = member{kind: '('}
			p.list()
		} else {
			m = p.item()
		}
	}
	p.parameters()
	return m
}

func (p *parser) parameters() {
	for !p.bad && p.take(';') {
		p.spaces()
		p.key()
		if p.take('=') {
			p.item()
		}
	}
}

// list takes an inner list, after its "(".
func (p *parser) list() {
	for !p.bad {
		p.spaces()
		if p.take(')') {
			return
		}
		p.item()
		p.parameters()
		p.bad = p.bad || len(p.rest) == 0 || p.rest[0] != ' ' && p.rest[0] != ')'
	}
}

func (p *parser) item() member {
	if len(p.rest) == 0 {
		p.bad = true
		return member{}
	}
	switch c := p.rest[0]; {
	case c == '-' || isDigit(c):
		return p.number()
	case c == '"':
		return p.text()
	case c == '*' || isAlpha(c):
		p.while(func(byte) bool { return true }, func(c byte) bool {
			return isAlpha(c) || isDigit(c) || strings.IndexByte("!#$%&'*+-.^_`|~:/", c) >= 0
		})
		return member{kind: 't'}
	case c == '?':
		p.rest = p.rest[1:]
		truth := p.take('1')
		p.bad = p.bad || !truth && !p.take('0')
		return member{kind: '?', truth: truth}
	case c == ':':
		end := bytes.IndexByte(p.rest[1:], ':')
		if end < 0 {
			p.bad = true
			return member{}
		}
		p.rest = p.rest[end+2:]
		return member{kind: ':'}
	case c == '@':
		p.rest = p.rest[1:]
		m := p.number()
		p.bad = p.bad || m.kind != 'i'
		return member{kind: '@'}
	}
	p.bad = true
	return member{}
}

// number takes an integer of at most 15 digits, or a decimal of at most 12 and 3.
func (p *parser) number() member {
	minus := p.take('-')
	whole := p.while(isDigit, isDigit)
	if p.take('.') {
		part := p.while(isDigit, isDigit)
		p.bad = p.bad || len(whole) > 12 || len(part) > 3
		return member{kind: 'd'}
	}
	n, err := strconv.ParseInt(string(whole), 10, 64)
	p.bad = p.bad || err != nil || len(whole) > 15
	if minus {
		n = -n
	}
	return member{kind: 'i', number: n}
}

func (p *parser) text() member {
	p.rest = p.rest[1:]
	var text []byte
	for i := 0; i < len(p.rest); i++ {
		c := p.rest[i]
		switch {
		case c == '"':
			p.rest = p.rest[i+1:]
			return member{kind: '"', text: text}
		case c == '\\':
			i++
			if i == len(p.rest) || p.rest[i] != '"' && p.rest[i] != '\\' {
				p.bad = true
				return member{}
			}
			c = p.rest[i]
		case c < ' ' || c > '~':
			p.bad = true
			return member{}
		}
		text = append(text, c)
	}
	p.bad = true
	return member{}
}
