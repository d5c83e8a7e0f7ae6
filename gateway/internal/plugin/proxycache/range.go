package proxycache

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/cache"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// serveRange turns an answer with the whole of a stored body into the part that the
// client asks for (RFC 9110, 14). Several parts, another unit, and a Range that is not
// well-formed have the whole; so has one under an If-Range that names something
// else.
func serveRange(r *fasthttp.Response, h *fasthttp.RequestHeader, e *cache.Entry, now time.Time) {
	value := h.Peek(fasthttp.HeaderRange)
	if len(value) == 0 || !h.IsGet() || e.Status != fasthttp.StatusOK {
		return
	}
	if condition := h.Peek(fasthttp.HeaderIfRange); len(condition) > 0 && !isSame(e, condition, now) {
		return
	}
	first, last, kind := parseRange(value, len(e.Body))
	switch kind {
	case unsatisfiable:
		r.SetStatusCode(fasthttp.StatusRequestedRangeNotSatisfiable)
		r.Header.Set(fasthttp.HeaderContentRange, "bytes */"+strconv.Itoa(len(e.Body)))
		r.ResetBody()
		// They are of the body that is not sent.
		plugin.DeleteResponseField(&r.Header, fasthttp.HeaderContentEncoding)
		plugin.DeleteResponseField(&r.Header, fasthttp.HeaderContentType)
	case part:
		r.SetStatusCode(fasthttp.StatusPartialContent)
		r.Header.SetContentRange(first, last, len(e.Body))
		r.SetBodyRaw(e.Body[first : last+1])
	case whole:
	}
}

type rangeKind uint8

const (
	whole rangeKind = iota
	part
	unsatisfiable
)

// parseRange reads a Range for a body of size bytes: the first and the last byte of
// the one part that it asks for.
func parseRange(value []byte, size int) (first, last int, kind rangeKind) {
	const unit = "bytes="
	value = bytes.TrimSpace(value)
	if len(value) < len(unit) || !bytes.EqualFold(value[:len(unit)], []byte(unit)) {
		return 0, 0, whole
	}
	from, to, ok := bytes.Cut(bytes.TrimSpace(value[len(unit):]), []byte{'-'})
	if !ok {
		return 0, 0, whole // also of several
	}
	start, hasStart := position(from)
	end, hasEnd := position(to)
	switch {
	case len(from) > 0 && !hasStart, len(to) > 0 && !hasEnd, !hasStart && !hasEnd, hasStart && hasEnd && end < start:
		return 0, 0, whole
	case !hasStart && end == 0, hasStart && start >= size, size == 0:
		return 0, 0, unsatisfiable
	case !hasStart:
		return max(0, size-end), size - 1, part
	case !hasEnd:
		return start, size - 1, part
	}
	return start, min(end, size-1), part
}

// position reads digits; what is beyond all bodies counts as that.
func position(v []byte) (n int, ok bool) {
	if len(v) == 0 {
		return 0, false
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = min(n*10+int(c-'0'), 1<<52)
	}
	return n, true
}

// isSame is If-Range's comparison: of strong tags, or of a date that is a strong
// validator (RFC 9110, 13.1.5 and 8.8.2.2).
func isSame(e *cache.Entry, condition []byte, now time.Time) bool {
	condition = bytes.TrimSpace(condition)
	if bytes.IndexByte(condition, '"') >= 0 {
		return condition[0] == '"' && e.ETag == string(condition)
	}
	since, ok := cache.ParseDate([][]byte{condition}, now)
	date, dated := cache.ParseDate(stored(e, fasthttp.HeaderDate), now)
	return ok && dated && !e.LastModified.IsZero() && since.Equal(e.LastModified) && date.Sub(e.LastModified) >= time.Second
}

// stored are the values of a field of an entry.
func stored(e *cache.Entry, name string) (values [][]byte) {
	for _, f := range e.Header {
		if strings.EqualFold(string(f.Name), name) {
			values = append(values, f.Value)
		}
	}
	return values
}
