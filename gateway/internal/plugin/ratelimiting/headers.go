package ratelimiting

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/limit"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// The beginnings of limit headers as fasthttp keeps an upstream's.
var (
	upstreamLimit  = []byte("Ratelimit-")
	upstreamLimitX = []byte("X-Ratelimit-")
)

// limitHeaders writes a decision into response headers. Everything that does
// not change from request to request is bytes already.
type limitHeaders struct {
	limit, remaining, reset, retryAfter headerName
	windows                             []windowHeaders
	standard                            *standardHeaders // nil: Kong's alone
}

// standardHeaders are those of draft-ietf-httpapi-ratelimit-headers-10, beside
// Kong's, which are of older drafts.
type standardHeaders struct {
	policy, state headerName
	policyValue   []byte
	names         [][]byte // of each window, as a quoted string
}

func newStandardHeaders(windows []limit.Window) *standardHeaders {
	s := &standardHeaders{policy: newHeaderName("RateLimit-Policy"), state: newHeaderName("RateLimit")}
	for i, w := range windows {
		name := strings.ToLower(windowName(w))
		if '0' <= name[0] && name[0] <= '9' {
			name += "s"
		}
		quoted := strconv.AppendQuote(nil, name)
		s.names = append(s.names, quoted)
		if i > 0 {
			s.policyValue = append(s.policyValue, ", "...)
		}
		s.policyValue = append(append(s.policyValue, quoted...), ";q="...)
		s.policyValue = strconv.AppendInt(s.policyValue, w.Limit, 10)
		if w.Months == 0 { // the length of a month differs
			s.policyValue = append(s.policyValue, ";w="...)
			s.policyValue = strconv.AppendInt(s.policyValue, int64(w.Size/time.Second), 10)
		}
	}
	return s
}

// set writes the policies, and what is left of each.
func (s *standardHeaders) set(r *fasthttp.ResponseHeader, d *limit.Decision) {
	s.policy.deleteFrom(r)
	s.state.deleteFrom(r)
	s.policy.set(r, s.policyValue)
	var room [512]byte
	value := room[:0]
	for i, name := range s.names {
		if i > 0 {
			value = append(value, ", "...)
		}
		value = append(append(value, name...), ";r="...)
		value = strconv.AppendInt(value, d.Remaining(i), 10)
		value = append(value, ";t="...)
		value = strconv.AppendInt(value, d.Reset(i), 10)
	}
	s.state.set(r, value)
}

// windowHeaders are the headers of one window and the value that is fixed.
type windowHeaders struct {
	length           time.Duration
	limit, remaining headerName
	limitValue       []byte
}

// headerName is a header's name as Kong spells it, and in the form that an
// upstream's header of the same name is kept under.
type headerName struct{ written, canonical []byte }

func newHeaderName(s string) headerName {
	canonical := []byte(s)
	upper := true
	for i, c := range canonical {
		switch {
		case upper && 'a' <= c && c <= 'z':
			canonical[i] = c - 32
		case !upper && 'A' <= c && c <= 'Z':
			canonical[i] = c + 32
		}
		upper = c == '-'
	}
	return headerName{[]byte(s), canonical}
}

func (n headerName) set(h *fasthttp.ResponseHeader, value []byte) {
	h.SetCanonical(n.written, value)
}

// deleteFrom deletes an upstream's field of that name.
func (n headerName) deleteFrom(h *fasthttp.ResponseHeader) {
	plugin.DeleteResponseField(h, plugin.View(n.canonical))
}

func (n headerName) setInt(h *fasthttp.ResponseHeader, value int64) {
	var digits [20]byte
	n.set(h, strconv.AppendInt(digits[:0], value, 10))
}

func newLimitHeaders(windows []limit.Window) *limitHeaders {
	h := &limitHeaders{
		limit: newHeaderName("RateLimit-Limit"), remaining: newHeaderName("RateLimit-Remaining"),
		reset: newHeaderName("RateLimit-Reset"), retryAfter: newHeaderName("Retry-After"),
	}
	for _, w := range windows {
		name := windowName(w)
		h.windows = append(h.windows, windowHeaders{
			length:     windowLength(w),
			limit:      newHeaderName("X-RateLimit-Limit-" + name),
			remaining:  newHeaderName("X-RateLimit-Remaining-" + name),
			limitValue: strconv.AppendInt(nil, w.Limit, 10),
		})
	}
	return h
}

// windowName is how Kong calls a window in a header: by its unit, or by its
// seconds.
func windowName(w limit.Window) string {
	switch w.Months {
	case 1:
		return "Month"
	case 12:
		return "Year"
	}
	switch w.Size {
	case time.Second:
		return "Second"
	case time.Minute:
		return "Minute"
	case time.Hour:
		return "Hour"
	case 24 * time.Hour:
		return "Day"
	}
	return strconv.FormatInt(int64(w.Size/time.Second), 10)
}

// windowLength is for comparing windows.
func windowLength(w limit.Window) time.Duration {
	if w.Months > 0 {
		return time.Duration(w.Months) * 30 * 24 * time.Hour
	}
	return w.Size
}

// clear takes away what the upstream says of limits of its own, which would
// stand beside ours. Mostly it says nothing: that is all that is looked for.
func (h *limitHeaders) clear(r *fasthttp.ResponseHeader) {
	found := false
	for name := range r.All() {
		if bytes.HasPrefix(name, upstreamLimit) || bytes.HasPrefix(name, upstreamLimitX) {
			found = true
		}
	}
	if !found {
		return
	}
	for _, n := range []headerName{h.limit, h.remaining, h.reset} {
		n.deleteFrom(r)
	}
	for i := range h.windows {
		h.windows[i].limit.deleteFrom(r)
		h.windows[i].remaining.deleteFrom(r)
	}
}

// set writes the state of every window, and of the tightest one in the
// standard's headers: that with the fewest requests left, the longer of two. If
// the request is rejected, RateLimit-Reset is the time in Retry-After: with several
// exhausted windows, the longest one is not always the last to admit requests again.
func (h *limitHeaders) set(r *fasthttp.ResponseHeader, d *limit.Decision) {
	h.clear(r)
	tightest := 0
	for i := range h.windows {
		w := &h.windows[i]
		left, least := d.Remaining(i), d.Remaining(tightest)
		if left < least || left == least && w.length > h.windows[tightest].length {
			tightest = i
		}
		w.limit.set(r, w.limitValue)
		w.remaining.setInt(r, left)
	}
	h.limit.set(r, h.windows[tightest].limitValue)
	h.remaining.setInt(r, d.Remaining(tightest))
	reset := d.Reset(tightest)
	if !d.Allowed || d.Remaining(tightest) == 0 {
		reset = d.RetryAfter()
	}
	h.reset.setInt(r, reset)
	if h.standard != nil {
		h.standard.set(r, d)
	}
}

func (h *limitHeaders) setRetryAfter(r *fasthttp.ResponseHeader, seconds int64) {
	h.retryAfter.setInt(r, seconds)
}
