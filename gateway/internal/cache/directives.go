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
	NoStore, NoCache, Private, Public, MustRevalidate, OnlyIfCached         bool
	MaxAge, SMaxAge, MinFresh, MaxStale, StaleWhileRevalidate, StaleIfError time.Duration
}

// Any is max-stale without a value: however stale.
const Any = time.Duration(math.MaxInt64)

// ParseCacheControl reads the values of all Cache-Control fields of a message.
// It never fails: an unknown directive is nothing, a lifetime that is not a
// number is 0 (RFC 9111, 4.2.1: rather stale than wrong), and of two the
// shorter counts. private and no-cache with field names count as without.
func ParseCacheControl(values [][]byte) Directives {
	d := Directives{MaxAge: -1, SMaxAge: -1, MinFresh: -1, MaxStale: -1, StaleWhileRevalidate: -1, StaleIfError: -1}
	for _, v := range values {
		for len(v) > 0 {
			var item []byte
			item, v = cutItem(v)
			d.add(item)
		}
	}
	return d
}

// cutItem takes one list item off v; commas within quotes do not end it.
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
	return bytes.TrimSpace(v), nil
}

func (d *Directives) add(item []byte) {
	name, value, valued := bytes.Cut(item, []byte{'='})
	switch strings.ToLower(string(bytes.TrimSpace(name))) {
	case "no-store":
		d.NoStore = true
	case "no-cache":
		d.NoCache = true
	case "private":
		d.Private = true
	case "public":
		d.Public = true
	case "must-revalidate", "proxy-revalidate":
		d.MustRevalidate = true
	case "only-if-cached":
		d.OnlyIfCached = true
	case "max-age":
		shorter(&d.MaxAge, seconds(value))
	case "s-maxage":
		shorter(&d.SMaxAge, seconds(value))
	case "min-fresh":
		shorter(&d.MinFresh, seconds(value))
	case "max-stale":
		if valued {
			shorter(&d.MaxStale, seconds(value))
		} else if d.MaxStale < 0 {
			d.MaxStale = Any
		}
	case "stale-while-revalidate":
		shorter(&d.StaleWhileRevalidate, seconds(value))
	case "stale-if-error":
		shorter(&d.StaleIfError, seconds(value))
	}
}

func shorter(d *time.Duration, v time.Duration) {
	if *d < 0 || v < *d {
		*d = v
	}
}

// seconds reads delta-seconds, quoted or not; 0 where it is none. Values
// beyond 2^31 count as that (RFC 9111, 1.2.2).
func seconds(v []byte) time.Duration {
	v = bytes.Trim(bytes.TrimSpace(v), `"`)
	if len(v) == 0 {
		return 0
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0
		}
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil || n > 1<<31 {
		n = 1 << 31
	}
	return time.Duration(n) * time.Second
}
