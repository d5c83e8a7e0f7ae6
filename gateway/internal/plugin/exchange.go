package plugin

import (
	"time"
	"unsafe"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Exchange is one request on its way. Exchanges are reused: nothing of one may
// be kept after Log, and strings from Ctx are views of reused buffers.
type Exchange struct {
	Ctx          *fasthttp.RequestCtx
	Service      *entity.Service // nil: the route has none
	Route        *entity.Route
	Consumer     *entity.Consumer // nil: the client is not known
	CredentialID string
	// Certificate is what the client has shown in the handshake; nil: nothing, or there was none.
	Certificate *ClientCertificate
	// Authenticated says that Consumer has shown a credential, and is not the one
	// that stands for those who have not.
	Authenticated bool
	// Subject tells apart those whom one consumer, or none, stands for: what a token says
	// of its owner, where the upstream learns it and the request's Authorization does not
	// show it. It is no secret, and may be long.
	Subject string
	// Groups are those of an authenticated client that is no consumer, in place of a
	// consumer's.
	Groups []string
	// WebSocket says that the client asks for one: what follows the answer's header is
	// no response. The fields that say so are not in the request's header any more.
	WebSocket    bool
	ClientIP     string
	Scheme, Host string     // as the client requested them; sent to the upstream in X-Forwarded-Proto and X-Forwarded-Host
	Trusted      bool       // the peer is a trusted proxy: what it says in X-Forwarded-* reaches the upstream
	Directory    *Directory // consumers and credentials of this request's snapshot

	Started         time.Time
	Asked           time.Time     // when the upstream was asked; zero: it was not
	UpstreamLatency time.Duration // until the upstream's headers came
	Waited          time.Duration // of that, how long the upstream had the whole request; negative: a part of its body was still to come
	Proxied         bool          // an upstream answered
	UpstreamStatus  int           // of that answer, whatever plugins make of it
	Withdrawn       bool          // the client ended the wait for an answer: it left, its body broke off, or its own deadline passed
	CacheStatus     string        // "" where no cache was asked
	Limited         bool          // a limit refused the request
	Trace           [16]byte      // id of the trace of which this request's spans are sent; zero: none is
	Received, Sent  int64         // bytes of body, from and to the client; set for Log
	UpstreamURI     []byte        // path and query that the upstream was asked for

	// Set for Log where a plugin of the chain is a TimesReader.
	Tries []Try // of the upstream's targets, in their order
	Times Times

	// Secrets are names of header fields, query parameters and cookies in which
	// plugins of the chain look for credentials; set for Log.
	Secrets []string

	// Spooled says that a plugin reads the upstream's body ahead of the client,
	// who has read Delivered bytes of it.
	Spooled   bool
	Delivered int64

	// OnTrailer, if a header filter sets it, is given what follows the upstream's body
	// in place of the client, before the read of the body that returns io.EOF does.
	OnTrailer func(name, value string)

	// Rewrite is what the upstream is asked for in place of what the client has
	// asked for. The request in Ctx stays the client's: the answer is framed by it.
	Rewrite Rewrite

	// The hooks are the proxy's, and the same for all requests of an exchange.
	// They are nil in tests that have no proxy.

	// Complete writes the fields that the gateway adds when it forwards
	// (X-Forwarded-*, X-Real-IP, Forwarded, Via) into Ctx.Request's header. It
	// does so once for each request: further calls do nothing. A plugin calls it
	// before it reads such a field; others need not pay for it.
	Complete func()
	// Capture is what a group, by name or number, of the route's regular expression
	// took of the path, "" where there is none.
	Capture func(group string) string
	// Body is RequestBody's, of a body that is still a stream.
	Body func(most int) (body []byte, whole bool, err error)
	// LimitBody bounds the request's body to that many bytes. A longer one whose
	// length is not known yet is answered with 413 when it has come so far; false
	// says that it is known to be longer already.
	LimitBody func(most int64) bool
	// Interrupt makes a read of the upstream's streamed body return, also one
	// that another goroutine has begun.
	Interrupt func()
	// Behind has the upstream asked, with a copy of the request as it stands, while
	// the client is answered with something else. It is false where that is not
	// possible now; then nothing of work is called.
	Behind func(work Behind) bool

	maxBody  int       // longest body that is kept for plugins
	passed   []*phases // the plugins that did not answer, in order
	answered *phases   // the one that has answered instead; nil: none
}

// Try is one attempt at a target of the upstream.
type Try struct {
	Address string // host:port, as it is configured
	Started time.Time
	Took    time.Duration // until the answer's header came, or it was given up
	Status  int           // of the answer; 0: there was none
	Err     error         // why there is no answer
}

// Times are when the phases of a request began and ended.
type Times struct {
	Access, Accessed time.Time
	Filter, Filtered time.Time // the phases of the response, up to where its body is sent
}

// Rewrite is a change of what the upstream is asked for; "" leaves a part as it
// is. A cache must not take a request with one for the same request without.
type Rewrite struct {
	Method string
	Host   string // of the Host header
	Path   string // escaped, beginning with a slash, in place of the service's path and the request's

	// Diversion is another upstream than the service's, which is asked as the
	// service's would be: one that a plugin of the chain has announced as a Diverter.
	Diversion Diversion

	// Moved is what a plugin has made header fields of and a cache would have told
	// requests apart by where it was: of the query, of Authorization. Authorized
	// says that some of it is of the latter.
	Moved      string
	Authorized bool
}

// Diversion is another host than a service's: a name, an address, or the name of an
// upstream. What is zero is as the service has it.
type Diversion struct {
	Host string
	Port int
}

// Reset makes the exchange ready for another request. The hooks stay.
func (x *Exchange) Reset() {
	passed, tries := x.passed[:0], x.Tries[:0]
	clear(x.passed)
	clear(x.Tries)
	*x = Exchange{
		passed: passed, Tries: tries,
		Complete: x.Complete, Capture: x.Capture, Body: x.Body, LimitBody: x.LimitBody, Interrupt: x.Interrupt,
		Behind: x.Behind,
	}
}

// Answered tells whether a plugin has answered in the place of the upstream.
func (x *Exchange) Answered() bool { return x.answered != nil }

// RequestBody reads the request's body and keeps it for the upstream: at most
// limit bytes of it, and never more than Deps.MaxBodyBytes, which is also what a
// limit of 0 means. whole says that body is all of it; then Ctx.Request's Body
// has it too, and may be replaced. Of a longer body the rest is streamed to the
// upstream as before. The bytes are good until the request ends.
//
// The error is one of the client's connection, or of the body's framing: the
// request cannot go on, see AnswerBodyError. A plugin that calls this implements
// RequestBodyReader.
func (x *Exchange) RequestBody(limit int) (body []byte, whole bool, err error) {
	if most := x.maxBody; most > 0 && (limit == 0 || limit > most) {
		limit = most
	}
	r := &x.Ctx.Request
	if r.IsBodyStream() {
		if x.Body == nil {
			return nil, false, nil
		}
		return x.Body(limit)
	}
	body = r.Body()
	return body[:min(len(body), limit)], len(body) <= limit, nil
}

// View gives bytes as a string without copying them: it is good for as long as
// they do not change, which of a request's is until it ends.
func View(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
