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
	// CacheControl follows RFC 9111; without it TTL is every response's lifetime.
	CacheControl bool
	// TTL is the lifetime of a response that does not name its own; 0: such a
	// response is not stored where CacheControl is followed.
	TTL time.Duration
	// ErrorTTL bounds TTL for statuses from 400; 0 does not.
	ErrorTTL time.Duration
	// StorageTTL is how long the tiers keep an entry, fresh or not; 0 keeps
	// it while it may be used or revalidated.
	StorageTTL time.Duration
	// StaleWhileRevalidate and StaleIfError are the operator's word where the
	// response has none of its own, and does not forbid it.
	StaleWhileRevalidate, StaleIfError time.Duration
	// StorePrivate has responses stored, where CacheControl is not followed,
	// that say they are for one client, or were asked for with Authorization.
	StorePrivate bool
}

// Answer is a response that is to be judged.
type Answer struct {
	Request, Response Headers
	Asked, Came       time.Time // when the origin was asked, and when its header came
}

// Judge tells whether a response may be stored, and fills in the times,
// validators, Vary and Withheld of e, whose Status is set. It does not look at the
// method, nor at what the operator says of status and content type.
func (p Policy) Judge(e *Entry, a Answer) bool {
	vary, ok := varyNames(a.Response.PeekAll("Vary"))
	if !ok {
		return false
	}
	d, isTargeted := targeted(a.Response.PeekAll("CDN-Cache-Control"))
	if !isTargeted {
		d = ParseCacheControl(a.Response.PeekAll("Cache-Control"))
	}
	if !p.permits(d, e.Status, a) {
		return false
	}
	if e.Encoding = codings(a.Response.PeekAll("Content-Encoding")); e.Encoding != "" && !slices.Contains(vary, acceptEncoding) {
		// An origin that encodes and does not say so would have clients that
		// take the coding and those that do not fill each other's place.
		vary = append(vary, acceptEncoding)
		slices.Sort(vary)
	}
	e.Vary = vary
	e.ETag = string(bytes.TrimSpace(first(a.Response.PeekAll("ETag"))))
	e.LastModified, _ = ParseDate(a.Response.PeekAll("Last-Modified"), a.Came)
	if !p.CacheControl {
		return p.setPlain(e, a.Came)
	}
	lifetime, named := explicitLifetime(d, isTargeted, a)
	if !named {
		lifetime = p.fallback(d, e.Status)
		if lifetime == 0 && !d.Public && !d.NoCache {
			return false
		}
	}
	e.Withheld = d.Withheld
	return p.setTimes(e, d, lifetime, a)
}

// permits is RFC 9111, section 3, for a shared cache, and 7.3: a cookie is for one
// client, unless the origin says that it is not.
func (p Policy) permits(d Directives, status int, a Answer) bool {
	if !p.CacheControl && p.StorePrivate {
		return true
	}
	understood := understands(status)
	switch {
	case p.CacheControl && d.MustUnderstand && !understood:
		return false
	case d.NoStore && (!p.CacheControl || !d.MustUnderstand):
		return false
	case d.Private:
		return false
	case len(a.Response.PeekAll("Set-Cookie")) > 0 && !d.Public && d.SMaxAge < 0:
		return false
	case len(a.Request.PeekAll("Authorization")) > 0:
		return d.Public || d.SMaxAge >= 0 || d.MustRevalidate
	}
	return true
}

// fallback is the lifetime of a response that names none: the operator's, for the
// statuses that RFC 9110, 15.1 allows it for.
func (p Policy) fallback(d Directives, status int) time.Duration {
	if d.NoCache || !d.Public && !isHeuristic(status) {
		return 0
	}
	return p.operators(status)
}

func (p Policy) operators(status int) time.Duration {
	if status >= 400 && p.ErrorTTL > 0 {
		return min(p.TTL, p.ErrorTTL)
	}
	return p.TTL
}

// setPlain sets the times where only the operator's word counts.
func (p Policy) setPlain(e *Entry, now time.Time) bool {
	e.Generated = now
	e.FreshUntil = now.Add(p.operators(e.Status))
	e.StaleWhileRevalidate = e.FreshUntil.Add(p.StaleWhileRevalidate)
	e.StaleIfError = e.FreshUntil.Add(p.StaleIfError)
	e.KeepUntil = later(e.StaleWhileRevalidate, e.StaleIfError)
	if p.StorageTTL > 0 {
		e.KeepUntil = now.Add(p.StorageTTL)
	}
	return now.Before(e.FreshUntil)
}

// How long a stale response is kept. One with a validator saves the body when it is
// revalidated; one without may yet be what a client's max-stale asks for.
const (
	keepToRevalidate     = 10 * time.Minute // at least
	keepToRevalidateMost = 24 * time.Hour   // else as long again as it was fresh
	keepStale            = time.Minute
)

// setTimes is RFC 9111, 4.2, and RFC 5861. It is false where the response would never
// be used.
func (p Policy) setTimes(e *Entry, d Directives, lifetime time.Duration, a Answer) bool {
	age, known := initialAge(a)
	e.Generated = a.Came.Add(-age)
	e.FreshUntil = e.Generated.Add(lifetime)
	if !known || d.NoCache {
		e.FreshUntil = e.Generated
	}
	// s-maxage forbids a stale use as proxy-revalidate does (5.2.2.10), but for one
	// that the response itself allows.
	never := d.NoCache || d.MustRevalidate || d.ProxyRevalidate
	e.MustRevalidate = never || d.SMaxAge >= 0
	stale := func(own, operators time.Duration) time.Time {
		switch {
		case never:
			return e.FreshUntil
		case own >= 0:
			return e.FreshUntil.Add(own)
		case e.MustRevalidate:
			return e.FreshUntil
		}
		return e.FreshUntil.Add(operators)
	}
	e.StaleWhileRevalidate = stale(d.StaleWhileRevalidate, p.StaleWhileRevalidate)
	e.StaleIfError = stale(d.StaleIfError, p.StaleIfError)
	useful := later(e.FreshUntil, later(e.StaleWhileRevalidate, e.StaleIfError))
	e.KeepUntil = useful
	switch {
	case p.StorageTTL > 0:
		e.KeepUntil = a.Came.Add(p.StorageTTL)
	case e.ETag != "" || !e.LastModified.IsZero():
		e.KeepUntil = later(useful, a.Came).Add(max(keepToRevalidate, min(lifetime, keepToRevalidateMost)))
	case !e.MustRevalidate && useful.After(a.Came):
		e.KeepUntil = useful.Add(keepStale)
	}
	return e.KeepUntil.After(a.Came) && (useful.After(a.Came) || e.ETag != "" || !e.LastModified.IsZero())
}

// understands tells whether the meaning of a status is known here (RFC 9111, 3, of
// must-understand): those of RFC 9110 that a stored response may have.
func understands(status int) bool {
	switch status {
	case http.StatusPartialContent, http.StatusNotModified, http.StatusUseProxy, http.StatusSwitchingProtocols:
		return false
	}
	return status >= 200 && http.StatusText(status) != ""
}

// isHeuristic tells whether a response of that status may be fresh without saying for
// how long (RFC 9110, 15.1). 206 is never stored.
func isHeuristic(status int) bool {
	switch status {
	case 200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501:
		return true
	}
	return false
}

// explicitLifetime is the freshness lifetime by s-maxage, max-age or Expires, in that
// order; false where the response names none. A targeted field stands for all of them.
func explicitLifetime(d Directives, isTargeted bool, a Answer) (lifetime time.Duration, named bool) {
	switch {
	case d.SMaxAge >= 0:
		return d.SMaxAge, true
	case d.MaxAge >= 0:
		return d.MaxAge, true
	}
	v := a.Response.PeekAll("Expires")
	if isTargeted || len(v) == 0 {
		return 0, false
	}
	expires, ok := ParseDate(v, a.Came)
	if !ok {
		return 0, true // "0" and other nonsense is the past
	}
	date, ok := ParseDate(a.Response.PeekAll("Date"), a.Came)
	if !ok {
		date = a.Came
	}
	return max(0, min(expires.Sub(date), mostSeconds*time.Second)), true
}

// initialAge is RFC 9111, 4.2.3: how old a response was when it came. It is unknown
// where Age is not a number.
func initialAge(a Answer) (age time.Duration, known bool) {
	known = true
	if v := a.Response.PeekAll("Age"); len(v) > 0 {
		first, _, _ := bytes.Cut(v[0], []byte{','})
		var n int64
		n, known = digits(bytes.Trim(first, " \t"))
		age = time.Duration(n) * time.Second
	}
	if !a.Asked.IsZero() {
		age += a.Came.Sub(a.Asked)
	}
	if date, ok := ParseDate(a.Response.PeekAll("Date"), a.Came); ok {
		// Date has whole seconds: what is left of one is no age.
		age = max(age, min(a.Came.Truncate(time.Second).Sub(date), mostSeconds*time.Second))
	}
	return age, known
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

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
