package cache

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"
)

// Directives are what a Cache-Control field says, of a request or a response.
// Durations are -1 where the directive is absent.
type Directives struct {
	NoStore, NoCache, Private, Public   bool
	MustRevalidate, ProxyRevalidate     bool
	MustUnderstand, OnlyIfCached        bool
	MaxAge, SMaxAge, MinFresh, MaxStale time.Duration
	StaleWhileRevalidate, StaleIfError  time.Duration
	// Withheld are the fields, in lower case, that no-cache="..." and
	// private="..." keep from other clients; the rest of the response is not meant.
	Withheld []string
}

// Any is max-stale without a value: however stale.
const Any = time.Duration(math.MaxInt64)

// mostSeconds is what longer lifetimes count as (RFC 9111, 1.2.2).
const mostSeconds = 1 << 31

func noDirectives() Directives {
	return Directives{MaxAge: -1, SMaxAge: -1, MinFresh: -1, MaxStale: -1, StaleWhileRevalidate: -1, StaleIfError: -1}
}

// ParseCacheControl reads the values of all Cache-Control fields of a message.
// It never fails: an unknown directive is nothing; a lifetime that is not a
// number, and two lifetimes that differ, are 0 (RFC 9111, 4.2.1: rather stale than
// wrong).
func ParseCacheControl(values [][]byte) Directives {
	d := noDirectives()
	for _, v := range values {
		for len(v) > 0 {
			var item []byte
			item, v = cutItem(v)
			d.add(item)
		}
	}
	return d
}

// ParseRequest reads what a request says of caches: its Cache-Control, and without
// one its Pragma (RFC 9111, 5.4).
func ParseRequest(request Headers) Directives {
	if v := request.PeekAll("Cache-Control"); len(v) > 0 {
		return ParseCacheControl(v)
	}
	d := noDirectives()
	for _, v := range request.PeekAll("Pragma") {
		for item := range bytes.SplitSeq(v, []byte{','}) {
			d.NoCache = d.NoCache || strings.EqualFold(string(bytes.TrimSpace(item)), "no-cache")
		}
	}
	return d
}

// cutItem takes one list item off v; commas within quotes do not end it. Quotes
// that are never closed are none.
func cutItem(v []byte) (item, rest []byte) {
	quoted := false
	for i := 0; i < len(v); i++ {
		switch {
		case v[i] == '\\' && quoted:
			i++
		case v[i] == '"':
			quoted = !quoted
		case v[i] == ',' && !quoted:
			return bytes.TrimSpace(v[:i]), v[i+1:]
		}
	}
	if i := bytes.IndexByte(v, ','); quoted && i >= 0 {
		return bytes.TrimSpace(v[:i]), v[i+1:]
	}
	return bytes.TrimSpace(v), nil
}

func (d *Directives) add(item []byte) {
	name, value, valued := bytes.Cut(item, []byte{'='})
	// A space before "=" makes the value one that is no number.
	if trimmed := bytes.TrimRight(name, " \t"); valued && len(trimmed) < len(name) {
		name, value = trimmed, nil
	}
	switch name := strings.ToLower(string(name)); name {
	case "no-cache":
		d.NoCache = !d.withhold(value) || d.NoCache
	case "private":
		d.Private = !d.withhold(value) || d.Private
	case "max-stale":
		if valued {
			shorter(&d.MaxStale, seconds(value))
		} else if d.MaxStale < 0 {
			d.MaxStale = Any
		}
	default:
		d.flag(name)
		d.lifetime(name, func() time.Duration { return seconds(value) })
	}
}

// flag notes a directive that has no argument.
func (d *Directives) flag(name string) {
	switch name {
	case "no-store":
		d.NoStore = true
	case "public":
		d.Public = true
	case "must-revalidate":
		d.MustRevalidate = true
	case "proxy-revalidate":
		d.ProxyRevalidate = true
	case "must-understand":
		d.MustUnderstand = true
	case "only-if-cached":
		d.OnlyIfCached = true
	}
}

// lifetime notes a directive whose argument is a number of seconds.
func (d *Directives) lifetime(name string, value func() time.Duration) {
	switch name {
	case "max-age":
		agreed(&d.MaxAge, value())
	case "s-maxage":
		agreed(&d.SMaxAge, value())
	case "min-fresh":
		d.MinFresh = max(d.MinFresh, value())
	case "stale-while-revalidate":
		shorter(&d.StaleWhileRevalidate, value())
	case "stale-if-error":
		shorter(&d.StaleIfError, value())
	}
}

// withhold notes the field names that value, quoted or a single token, lists. It is
// false where value lists none.
func (d *Directives) withhold(value []byte) bool {
	list, quoted := unquoted(value)
	if !quoted && bytes.ContainsAny(value, `" `) {
		return false
	}
	had := len(d.Withheld)
	for item := range bytes.SplitSeq(list, []byte{','}) {
		if item = bytes.TrimSpace(item); len(item) > 0 {
			d.Withheld = append(d.Withheld, strings.ToLower(string(item)))
		}
	}
	return len(d.Withheld) > had
}

// unquoted is v without the quotes around it.
func unquoted(v []byte) (inner []byte, quoted bool) {
	if n := len(v); n >= 2 && v[0] == '"' && v[n-1] == '"' {
		return v[1 : n-1], true
	}
	return v, false
}

func shorter(d *time.Duration, v time.Duration) {
	if *d < 0 || v < *d {
		*d = v
	}
}

// agreed is of two values that differ none.
func agreed(d *time.Duration, v time.Duration) {
	switch {
	case *d < 0:
		*d = v
	case *d != v:
		*d = 0
	}
}

// seconds reads delta-seconds, quoted or not; 0 where it is none. Values
// beyond 2^31 count as that (RFC 9111, 1.2.2).
func seconds(v []byte) time.Duration {
	v, _ = unquoted(v)
	n, ok := digits(v)
	if !ok {
		return 0
	}
	return time.Duration(n) * time.Second
}

// digits reads a number that is digits and nothing else, at most mostSeconds.
func digits(v []byte) (n int64, ok bool) {
	if len(v) == 0 {
		return 0, false
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil || n > mostSeconds {
		n = mostSeconds
	}
	return n, true
}
