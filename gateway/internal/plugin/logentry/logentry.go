// Package logentry is what logging plugins say about a request: Kong's object,
// in JSON.
package logentry

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// redacted stands for header fields that hold credentials, as in Kong.
const redacted = "REDACTED"

// Entry is what is said about one request.
type Entry struct {
	Request     Request  `json:"request"`
	UpstreamURI string   `json:"upstream_uri"`
	Response    Response `json:"response"`
	Tries       []Try    `json:"tries,omitempty"`
	Latencies   struct {
		Kong    int64 `json:"kong"`  // ms in the gateway until the upstream was asked, or the gateway had answered
		Proxy   int64 `json:"proxy"` // ms that the upstream took for the header of its answer; -1: it was not asked
		Request int64 `json:"request"`
	} `json:"latencies"`
	AuthenticatedEntity *AuthenticatedEntity `json:"authenticated_entity,omitempty"`
	Route               *entity.Route        `json:"route,omitempty"`
	Service             *entity.Service      `json:"service,omitempty"`
	Consumer            *entity.Consumer     `json:"consumer,omitempty"`
	ClientIP            string               `json:"client_ip"`
	StartedAt           int64                `json:"started_at"` // Unix milliseconds
}

// Request is the client's, as plugins have left it.
type Request struct {
	URI         string         `json:"uri"`
	URL         string         `json:"url"`
	Querystring map[string]any `json:"querystring"`
	Method      string         `json:"method"`
	Headers     map[string]any `json:"headers"`
	Size        int64          `json:"size"` // bytes, of header and body
	TLS         *TLS           `json:"tls,omitempty"`
}

// Response is what the client was sent.
type Response struct {
	Status  int            `json:"status"`
	Headers map[string]any `json:"headers"`
	Size    int64          `json:"size"` // bytes, of header and body
}

// TLS is how the client's connection is encrypted.
type TLS struct {
	Version      string `json:"version"`
	Cipher       string `json:"cipher"`
	ClientVerify string `json:"client_verify"`
}

// Try is one attempt at a target.
type Try struct {
	Start   int64  `json:"balancer_start"`   // Unix milliseconds
	Latency int64  `json:"balancer_latency"` // ms
	IP      string `json:"ip"`
	Port    int    `json:"port"`
	State   string `json:"state,omitempty"` // "failed" where there is no answer, or one that was not passed on
	Code    int    `json:"code,omitempty"`  // status of an answer that was not passed on
}

// AuthenticatedEntity is the credential that the client has shown.
type AuthenticatedEntity struct {
	ID         string `json:"id"`
	ConsumerID string `json:"consumer_id"`
}

// Encode describes a request that has ended, in JSON. It is called in the log
// phase.
func Encode(x *plugin.Exchange) []byte {
	raw, err := json.Marshal(Of(x, time.Now()))
	if err != nil { // of nothing that an Entry holds
		return []byte(`{}`)
	}
	return raw
}

// Of describes a request that has ended at now. What it returns is good for as
// long as the exchange.
func Of(x *plugin.Exchange, now time.Time) *Entry {
	h := &x.Ctx.Request.Header
	r := &x.Ctx.Response.Header
	e := &Entry{
		UpstreamURI: string(x.UpstreamURI), Tries: triesOf(x), Route: x.Route, Service: x.Service, Consumer: x.Consumer,
		ClientIP: x.ClientIP, StartedAt: x.Started.UnixMilli(),
	}
	uri := string(h.RequestURI())
	e.Request = Request{
		URI: uri, URL: urlOf(x, uri), Querystring: query(plugin.Query(h)), Method: string(h.Method()), Headers: map[string]any{},
		Size: int64(len(h.Header())) + x.Received, TLS: tlsOf(x.Ctx.TLSConnectionState()),
	}
	for name, value := range h.All() {
		add(e.Request.Headers, strings.ToLower(string(name)), string(value))
	}
	for _, name := range []string{"authorization", "proxy-authorization"} {
		if _, ok := e.Request.Headers[name]; ok {
			e.Request.Headers[name] = redacted
		}
	}
	e.hide(x.Secrets)
	e.Response = Response{Status: r.StatusCode(), Headers: map[string]any{}, Size: int64(len(r.Header())) + x.Sent}
	for name, value := range r.All() {
		add(e.Response.Headers, strings.ToLower(string(name)), string(value))
	}
	e.Latencies.Kong, e.Latencies.Proxy = Latencies(x, now)
	e.Latencies.Request = now.Sub(x.Started).Milliseconds()
	if x.CredentialID != "" && x.Consumer != nil {
		e.AuthenticatedEntity = &AuthenticatedEntity{ID: x.CredentialID, ConsumerID: x.Consumer.ID}
	}
	return e
}

// Latencies are Kong's, in ms: in the gateway, and of the upstream, -1 where it
// was not asked.
func Latencies(x *plugin.Exchange, now time.Time) (kong, proxy int64) {
	if x.Asked.IsZero() {
		return now.Sub(x.Started).Milliseconds(), -1
	}
	return x.Asked.Sub(x.Started).Milliseconds(), x.UpstreamLatency.Milliseconds()
}

func urlOf(x *plugin.Exchange, uri string) string {
	port := "80"
	if _, p, err := net.SplitHostPort(x.Ctx.LocalAddr().String()); err == nil {
		port = p
	}
	if i := strings.LastIndexByte(x.Host, ':'); i > strings.LastIndexByte(x.Host, ']') {
		return x.Scheme + "://" + x.Host + uri
	}
	return x.Scheme + "://" + x.Host + ":" + port + uri
}

func tlsOf(s *tls.ConnectionState) *TLS {
	if s == nil {
		return nil
	}
	verify := "NONE"
	if len(s.VerifiedChains) > 0 {
		verify = "SUCCESS"
	}
	return &TLS{
		Version: strings.Replace(tls.VersionName(s.Version), "TLS ", "TLSv", 1), Cipher: tls.CipherSuiteName(s.CipherSuite),
		ClientVerify: verify,
	}
}

// triesOf are the attempts; all but the last one were given up.
func triesOf(x *plugin.Exchange) []Try {
	tries := make([]Try, 0, len(x.Tries))
	for i, t := range x.Tries {
		out := Try{Start: t.Started.UnixMilli(), Latency: t.Took.Milliseconds()}
		host, port, err := net.SplitHostPort(t.Address)
		if err != nil {
			host = t.Address
		}
		out.IP = host
		out.Port, _ = strconv.Atoi(port)
		if t.Err != nil || i < len(x.Tries)-1 {
			out.State, out.Code = "failed", t.Status
		}
		tries = append(tries, out)
	}
	return tries
}

// query is a query as Kong's JSON has it: a parameter without "=" is true, one
// that comes several times a list.
func query(raw []byte) map[string]any {
	out := map[string]any{}
	for pair := range strings.SplitSeq(string(raw), "&") {
		if pair == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		var v any = true
		if ok {
			v = string(plugin.DecodeName([]byte(value)))
		}
		add(out, string(plugin.DecodeName([]byte(name))), v)
	}
	return out
}

// add puts a value under a name, in a list where there is one already.
func add(m map[string]any, name string, value any) {
	switch had := m[name].(type) {
	case nil:
		m[name] = value
	case []any:
		m[name] = append(had, value)
	default:
		m[name] = []any{had, value}
	}
}

// CustomFields is the schema of custom_fields_by_lua, which only null is taken of.
func CustomFields() entity.Field {
	return entity.Field{
		Name: "custom_fields_by_lua", Kind: entity.Map, Keys: &entity.Field{Kind: entity.String},
		Elements: &entity.Field{Kind: entity.String},
		Only:     &entity.Only{Why: "this gateway runs no Lua; add fields where the entries are collected"},
	}
}

// ServerFields is the schema of the server that entries are sent to: host, port and
// timeout in ms.
func ServerFields() []entity.Field {
	return []entity.Field{
		{Name: "host", Kind: entity.String, Required: true, Match: "host"},
		{Name: "port", Kind: entity.Integer, Required: true, Between: &[2]float64{0, 65535}},
		{Name: "timeout", Kind: entity.Number, Default: 10_000, Between: &[2]float64{1, entity.MaxTimeout}},
	}
}

// Server is where entries are sent to, as it is configured.
type Server struct {
	Host    string  `json:"host"`
	Port    int     `json:"port"`
	Timeout float64 `json:"timeout"` // ms
}

// Address is host:port.
func (s Server) Address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// TimeLimit is that of one attempt to send.
func (s Server) TimeLimit() time.Duration {
	return time.Duration(s.Timeout * float64(time.Millisecond))
}

// Key is what tells the queue of a configured plugin from any other: a change of
// its configuration makes another one.
func Key(c *entity.Plugin) string {
	raw, err := json.Marshal(c.Config)
	if err != nil {
		raw = fmt.Append(nil, c.Config)
	}
	return c.ID + "\x00" + string(raw)
}
