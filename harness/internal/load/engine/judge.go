package engine

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// outcome of a request.
type outcome uint8

const (
	success outcome = iota
	limited
	failure
)

// response is what is kept of a response to judge it.
type response struct {
	status     int
	gatewayOwn bool   // X-Kong-Response-Latency: the gateway made it
	stream     bool   // text/event-stream: has no hash
	originHash []byte // X-Origin-Body, or none
	size       int    // of the body

	first  time.Time // of a stream: when the body began to come
	events int       // of a stream: how many events it had
	blank  bool      // of a stream: the last byte ended a line

	checked bool   // the body was examined: hash and prefix are set
	hash    uint64 // xxhash64 of the body
	prefix  []byte // the body's beginning, up to prefixSize
}

// watch counts the events in the next bytes of a stream: an empty line ends one.
func (a *response) watch(b []byte) {
	if len(b) == 0 {
		return
	}
	if a.first.IsZero() {
		a.first = time.Now()
	}
	for _, c := range b {
		switch c {
		case '\n':
			if a.blank {
				a.events++
			}
			a.blank = true
		case '\r':
		default:
			a.blank = false
		}
	}
}

// prefixSize is how much of a body is kept to look for an id.
const prefixSize = 4096

// verdict is the outcome of one request and its reason.
type verdict struct {
	outcome outcome
	kind    string // of failure
	detail  string // of wrong content
	hashed  bool   // the hash was compared
}

// judge classifies the response to a request.
func (r *preparedRequest) judge(id int, a *response) verdict {
	if a.status == http.StatusTooManyRequests && !r.expect[a.status] {
		switch {
		case !a.gatewayOwn:
			return verdict{outcome: failure, kind: load.KindOrigin429}
		case r.LimitedOK:
			return verdict{outcome: limited}
		}
		return verdict{outcome: failure, kind: load.KindGateway429}
	}
	if a.status >= len(r.expect) || !r.expect[a.status] {
		return verdict{outcome: failure, kind: statusKind(a.status)}
	}
	if !a.checked || a.stream || r.Method == http.MethodHead || !mayHaveBody(a.status) {
		return verdict{outcome: success}
	}
	return r.judgeBody(id, a)
}

// judgeBody compares the body with what the origin said of it and with what was
// asked for. A cache hit is checked as any other response; only what the gateway
// made by itself has no origin to compare with.
func (r *preparedRequest) judgeBody(id int, a *response) verdict {
	v := verdict{outcome: success}
	switch {
	case len(a.originHash) > 0:
		v.hashed = true
		var hex [16]byte
		if !bytes.EqualFold(a.originHash, appendHash(hex[:0], a.hash)) {
			v.outcome, v.kind = failure, load.KindMismatch
			v.detail = fmt.Sprintf("the body's hash is %016x, X-Origin-Body says %.32q", a.hash, a.originHash)
			return v
		}
	case !a.gatewayOwn:
		return verdict{outcome: failure, kind: load.KindUnhashed, detail: "no X-Origin-Body beside a body of " + strconv.Itoa(a.size) + " bytes"}
	}
	if r.checkID && a.status == http.StatusOK && !holdsID(a.prefix, id) {
		v.outcome, v.kind = failure, load.KindMismatch
		v.detail = fmt.Sprintf("asked for id %d, got %.60q", id, a.prefix)
	}
	return v
}

// holdsID tells whether a body says that it is the model asked for.
func holdsID(body []byte, id int) bool {
	var buf [40]byte
	want := append(buf[:0], `"id":"model-`...)
	want = strconv.AppendInt(want, int64(id), 10)
	return bytes.Contains(body, append(want, '"'))
}

// mayHaveBody is false for the statuses that never have one.
func mayHaveBody(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// statusKind names a status that was not expected. The common ones are constant
// strings, so that a gateway that fails fast costs no allocation.
func statusKind(status int) string {
	switch status {
	case http.StatusNotFound:
		return "status_404"
	case http.StatusUnauthorized:
		return "status_401"
	case http.StatusInternalServerError:
		return "status_500"
	case http.StatusBadGateway:
		return "status_502"
	case http.StatusServiceUnavailable:
		return "status_503"
	case http.StatusGatewayTimeout:
		return "status_504"
	}
	return "status_" + strconv.Itoa(status)
}

// hashOf is what X-Origin-Body says of a body.
func hashOf(body []byte) string { return string(appendHash(nil, xxhash.Sum64(body))) }

// appendHash adds 16 hexadecimal digits.
func appendHash(b []byte, h uint64) []byte {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, digits[h>>shift&15])
	}
	return b
}
