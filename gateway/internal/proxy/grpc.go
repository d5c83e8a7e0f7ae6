package proxy

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

var (
	grpcType          = []byte("application/grpc")
	headerGRPCStatus  = []byte("Grpc-Status")
	headerGRPCMessage = []byte("Grpc-Message")
	headerGRPCTimeout = []byte("Grpc-Timeout")
)

func isGRPCProtocol(p string) bool { return p == "grpc" || p == "grpcs" }

// isGRPCRequest tells whether a request is answered with a gRPC status where the
// gateway answers itself: it came over HTTP/2, and its content is gRPC's.
func isGRPCRequest(ctx *fasthttp.RequestCtx) bool {
	return streamOf(ctx.Conn()) != nil && bytes.HasPrefix(ctx.Request.Header.ContentType(), grpcType)
}

// allowGRPC answers, as Kong does, what a route for gRPC does not take.
func (a *response) allowGRPC(r *entity.Route, scheme string) bool {
	ctx := a.x.Ctx
	switch {
	case !bytes.HasPrefix(ctx.Request.Header.ContentType(), grpcType):
		a.reply(fasthttp.StatusUnsupportedMediaType, "Non-gRPC request matched gRPC route")
	case streamOf(ctx.Conn()) == nil:
		ctx.Response.Header.Set("Connection", "Upgrade")
		ctx.Response.Header.Set("Upgrade", "HTTP/2")
		a.reply(fasthttp.StatusUpgradeRequired, "Please use HTTP2 protocol")
	case scheme != "https" && !strings.Contains(strings.Join(r.Protocols, " ")+" ", "grpc "):
		h := &ctx.Response.Header
		h.SetContentTypeBytes(grpcType)
		h.SetCanonical(headerGRPCStatus, []byte("1"))
		h.SetCanonical(headerGRPCMessage, []byte("gRPC request matched gRPCs route"))
		a.complete()
	default:
		return true
	}
	return false
}

// statusesOfGRPC are Kong's, of HTTP statuses; see grpcStatus for others.
var statusesOfGRPC = map[int]int{
	200: 0, 400: 3, 401: 16, 403: 7, 404: 5, 409: 6, 429: 8, 499: 1, 500: 13, 501: 12, 503: 14, 504: 4,
}

func grpcStatus(http int) int {
	if s, ok := statusesOfGRPC[http]; ok {
		return s
	}
	switch http / 100 {
	case 2:
		return 0
	case 4:
		return statusesOfGRPC[400]
	case 5:
		return statusesOfGRPC[500]
	}
	return 2 // unknown
}

// answerGRPC makes an answer of the gateway's own, or of a plugin, one that a gRPC
// client understands: the status and the message are in header fields, and
// there is no body. The HTTP status stays, as in Kong.
func answerGRPC(r *fasthttp.Response) {
	h := &r.Header
	if bytes.HasPrefix(h.ContentType(), grpcType) || len(h.PeekBytes(headerGRPCStatus)) > 0 {
		return
	}
	status := grpcStatus(r.StatusCode())
	message := fasthttp.StatusMessage(r.StatusCode())
	if !r.IsBodyStream() {
		var body struct{ Message string }
		if json.Unmarshal(r.Body(), &body) == nil && body.Message != "" {
			message = body.Message
		}
	}
	r.ResetBody()
	h.SetContentLength(0)
	h.SetContentTypeBytes(grpcType)
	h.SetCanonical(headerGRPCStatus, strconv.AppendInt(nil, int64(status), 10))
	h.SetCanonical(headerGRPCMessage, appendGRPCMessage(nil, message))
}

// appendGRPCMessage escapes a message as gRPC does: bytes beyond the printable
// ones of ASCII, and '%', as %XX.
func appendGRPCMessage(b []byte, message string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(message) {
		if c := message[i]; c < ' ' || c > '~' || c == '%' {
			b = append(b, '%', digits[c>>4], digits[c&15])
		} else {
			b = append(b, c)
		}
	}
	return b
}

// beginGRPC prepares the exchange with a service of gRPC: it ends with the
// client's own deadline, and a stream may pause for as long as the service's read
// time-out, which counts both directions.
func (v *visit) beginGRPC() {
	h := &v.Ctx.Request.Header
	if d, ok := parseGRPCTimeout(h.PeekBytes(headerGRPCTimeout)); ok {
		v.forwarding.call.Deadline = v.Started.Add(d)
	}
	if s := streamOf(v.Ctx.Conn()); s != nil && s.body != nil {
		s.body.patient = true
	}
}

// parseGRPCTimeout reads a grpc-timeout: at most 8 digits and a unit.
func parseGRPCTimeout(b []byte) (time.Duration, bool) {
	if len(b) < 2 || len(b) > 9 {
		return 0, false
	}
	unit, ok := map[byte]time.Duration{
		'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
	}[b[len(b)-1]]
	n, err := fasthttp.ParseUint(b[:len(b)-1])
	if !ok || err != nil {
		return 0, false
	}
	if time.Duration(n) > math.MaxInt64/unit {
		return math.MaxInt64 / 2, true
	}
	return time.Duration(n) * unit, true
}
