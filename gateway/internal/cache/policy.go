package cache

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Policy is what an operator says of lifetimes.
type Policy struct {
	// CacheControl follows RFC 9111; without it only TTL counts, and what
	// Cache-Control, Expires and Authorization say does not.
	CacheControl bool
	// TTL is the lifetime of a response that does not name its own.
	TTL time.Duration
	// StorageTTL is how long the tiers keep an entry, fresh or not; 0 keeps
	// it while it may be used.
	StorageTTL time.Duration
}

// Judge tells whether the response to request may be stored, and fills in the
// times, validators and Vary of e. It does not look at method, status or
// content type.
func (p Policy) Judge(e *Entry, request, response Headers, now time.Time) bool {
	vary, ok := varyNames(response.PeekAll("Vary"))
	if !ok {
		return false
	}
	d := ParseCacheControl(response.PeekAll("Cache-Control"))
	// A cookie is for one client, unless the origin says that it is not.
	if len(response.PeekAll("Set-Cookie")) > 0 && !d.Public {
		return false
	}
	lifetime, age := p.TTL, time.Duration(0)
	if p.CacheControl {
		if !permitted(d, request) {
			return false
		}
		lifetime, age = explicitLifetime(d, response, p.TTL), ageOf(response)
	}
	if lifetime <= age {
		return false
	}
	if e.Encoding = codings(response.PeekAll("Content-Encoding")); e.Encoding != "" && !slices.Contains(vary, acceptEncoding) {
		// An origin that encodes and does not say so would have clients that
		// take the coding and those that do not fill each other's place.
		vary = append(vary, acceptEncoding)
		slices.Sort(vary)
	}
	e.Vary = vary
	e.ETag = string(bytes.TrimSpace(first(response.PeekAll("ETag"))))
	e.LastModified = httpTime(response.PeekAll("Last-Modified"))
	e.Generated = now.Add(-age)
	e.FreshUntil = e.Generated.Add(lifetime)
	e.StaleWhileRevalidate, e.StaleIfError = e.FreshUntil, e.FreshUntil
	if p.CacheControl {
		e.MustRevalidate = d.MustRevalidate
		if !d.MustRevalidate {
			e.StaleWhileRevalidate = e.FreshUntil.Add(max(d.StaleWhileRevalidate, 0))
			e.StaleIfError = e.FreshUntil.Add(max(d.StaleIfError, 0))
		}
	}
	e.KeepUntil = later(e.FreshUntil, later(e.StaleWhileRevalidate, e.StaleIfError))
	if p.StorageTTL > 0 {
		e.KeepUntil = now.Add(p.StorageTTL)
	}
	return true
}

// permitted is RFC 9111, section 3, for a shared cache; no-cache is not stored
// either, as in Kong.
func permitted(d Directives, request Headers) bool {
	if d.NoStore || d.NoCache || d.Private {
		return false
	}
	if len(request.PeekAll("Authorization")) > 0 {
		return d.Public || d.SMaxAge >= 0 || d.MustRevalidate
	}
	return true
}

// explicitLifetime is the freshness lifetime by s-maxage, max-age or Expires,
// in that order, else fallback.
func explicitLifetime(d Directives, response Headers, fallback time.Duration) time.Duration {
	switch {
	case d.SMaxAge >= 0:
		return d.SMaxAge
	case d.MaxAge >= 0:
		return d.MaxAge
	}
	if v := response.PeekAll("Expires"); len(v) > 0 {
		expires, date := httpTime(v), httpTime(response.PeekAll("Date"))
		if expires.IsZero() {
			return 0 // "0" and other nonsense is the past
		}
		if date.IsZero() {
			date = time.Now()
		}
		return expires.Sub(date)
	}
	return fallback
}

func ageOf(response Headers) time.Duration {
	if v := response.PeekAll("Age"); len(v) > 0 {
		return seconds(v[0])
	}
	return 0
}

// varyNames lists the names in Vary, lower-case, sorted, each once; false for
// "*", which no stored response ever fits.
func varyNames(values [][]byte) ([]string, bool) {
	var names []string
	for _, v := range values {
		for name := range strings.SplitSeq(string(v), ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			if name == "*" {
				return nil, false
			}
			if name != "" {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), true
}

// Judge tells whether a request with these directives may be answered with e.
// It is RFC 9111, section 4.2, with the client's max-age, min-fresh and
// max-stale.
func (d Directives) Judge(e *Entry, now time.Time) Verdict {
	age, left := now.Sub(e.Generated), e.FreshUntil.Sub(now)
	if d.NoCache || d.MaxAge >= 0 && age > d.MaxAge || d.MinFresh >= 0 && left < d.MinFresh {
		return Unusable
	}
	if left > 0 {
		return Usable
	}
	if d.MaxStale >= 0 && !e.MustRevalidate && -left <= d.MaxStale {
		return Usable
	}
	if now.Before(e.StaleWhileRevalidate) {
		return UsableBusy
	}
	return Unusable
}

func first(values [][]byte) []byte {
	if len(values) == 0 {
		return nil
	}
	return values[0]
}

// httpTime is zero for no or no proper date.
func httpTime(values [][]byte) time.Time {
	if len(values) == 0 {
		return time.Time{}
	}
	t, err := http.ParseTime(string(bytes.TrimSpace(values[0])))
	if err != nil {
		return time.Time{}
	}
	return t
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
