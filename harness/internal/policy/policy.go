// Package policy says what the arms of a comparison are configured to do, in no gateway's words: a policy is a behaviour, the traffic that
// measures it, and the probes that tell whether a gateway behaves so. A set of policies is a file, scenarios/compare.yaml.
package policy

import (
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// Policy is one behaviour that every arm of a comparison is configured for. What is not set is not asked for: a plain reverse proxy.
type Policy struct {
	Name      string `yaml:"name"`
	Summary   string `yaml:"summary"`             // for a reader, one line
	Published string `yaml:"published,omitempty"` // the name in another benchmark: wallarm's p01-vanilla

	Client Client `yaml:"client,omitempty"`
	Events bool   `yaml:"events,omitempty"` // responses are streams of events, which are passed on as they come
	// WebSocket passes on WebSockets, and no other protocol that a client asks to switch to. Messages are the requests of its traffic.
	WebSocket bool `yaml:"websocket,omitempty"`

	Routes       []Route   `yaml:"routes,omitempty"`   // beside the route of all other paths; all lead to the origin
	Origins      *Origins  `yaml:"origins,omitempty"`  // several, behind the arm's own balancing; nil: one
	Fault        string    `yaml:"fault,omitempty"`    // measured while this happens to one of the origins, in place of rounds
	Idle         int       `yaml:"idle,omitempty"`     // idle connections whose memory is measured, in place of rounds
	Only         bool      `yaml:"only,omitempty"`     // paths without a route are answered with 404
	ScaleOf      string    `yaml:"scale_of,omitempty"` // an earlier policy, to whose throughput this one's is a ratio
	Changes      []int     `yaml:"changes,omitempty"`  // changes per second of configurations that are in use, one rate after the other
	Auth         *Auth     `yaml:"auth,omitempty"`     // on every path
	Limits       []Limit   `yaml:"limits,omitempty"`
	Cache        *Cache    `yaml:"cache,omitempty"`
	Request      Headers   `yaml:"request,omitempty"`       // headers towards the origin
	Response     Headers   `yaml:"response,omitempty"`      // headers towards the client
	RequestBody  *JSON     `yaml:"request_body,omitempty"`  // rewritten towards the origin
	ResponseBody *JSON     `yaml:"response_body,omitempty"` // rewritten towards the client
	AccessLog    bool      `yaml:"access_log,omitempty"`    // a line per request, in a file
	Traffic      []Traffic `yaml:"traffic"`
	Probes       []Probe   `yaml:"probes"`
	Rate         float64   `yaml:"rate,omitempty"` // requests per second of the open loop; 0 is the set's
}

// Protocols of Client.
const (
	ProtocolTLS   = "tls"   // HTTP/1.1 over TLS 1.3
	ProtocolHTTP2 = "http2" // HTTP/2 over TLS 1.3
)

// Client says how clients speak to the arms. The origin is asked over HTTP/1.1 without TLS in any case.
type Client struct {
	Protocol    string `yaml:"protocol,omitempty"`    // empty: HTTP/1.1 without TLS
	Streams     int    `yaml:"streams,omitempty"`     // ProtocolHTTP2: requests at a time on a connection
	Connections int    `yaml:"connections,omitempty"` // 0 is the set's
	Reconnect   bool   `yaml:"reconnect,omitempty"`   // a connection, and its handshake, for each request
}

// TLS says whether the arms end TLS.
func (c Client) TLS() bool { return c.Protocol != "" }

// What happens to an origin.
const (
	FaultKill = "kill" // it ends at once, and nothing listens there
	FaultSlow = "slow" // it answers after Origins.Timeout
	FaultSick = "sick" // it answers 503
)

// Origins are several, each asked in turn. A GET that one of them does not answer, not in time or
// with 503 belongs to another.
type Origins struct {
	Count   int           `yaml:"count"`
	Timeout time.Duration `yaml:"timeout"` // of one of them to begin its answer
}

// Trial says whether the policy's cells are measured once, in place of rounds.
func (p *Policy) Trial() bool { return len(p.Changes) > 0 || p.Fault != "" || p.Idle > 0 }

// Sample is the path of one of the requests.
func (t Traffic) Sample() string { return strings.ReplaceAll(t.Path, load.Placeholder, "1") }

// Kinds of Auth.
const (
	AuthKey   = "key"   // a key in a header
	AuthBasic = "basic" // a name and a password, RFC 7617
	AuthJWT   = "jwt"   // a bearer token, HS256
)

// Auth is who gets in. Others get 401.
type Auth struct {
	Kind     string `yaml:"kind"`
	Header   string `yaml:"header,omitempty"` // AuthKey: the header that carries the key
	Key      string `yaml:"key,omitempty"`    // AuthKey
	User     string `yaml:"user,omitempty"`   // AuthBasic
	Password string `yaml:"password,omitempty"`
	Issuer   string `yaml:"issuer,omitempty"` // AuthJWT: the token's iss
	Secret   string `yaml:"secret,omitempty"` // AuthJWT
}

// RouteKinds.
const (
	RouteExact  = "exact"
	RoutePrefix = "prefix"
	RouteRegex  = "regex" // an RE2 expression of the whole path
)

// Route is one more route to the origin. Generated ones have {n} in Path and a Count: n counts from 1. Those of a List are the paths of a
// file below Path, exact ones and expressions; with a Count the list is repeated until there are so many.
type Route struct {
	Kind  string `yaml:"kind,omitempty"`
	Path  string `yaml:"path"`
	List  string `yaml:"list,omitempty"` // a file beside that of the policies, a path per line with {parameters}
	Count int    `yaml:"count,omitempty"`
}

// By whom requests are counted.
const (
	ByService = "service" // all together
	ByAddress = "address" // the client's address, which a trusted peer gives in X-Real-IP
)

// Limit is how many requests pass in a window; others get 429. A gateway may count in windows or refill a bucket.
type Limit struct {
	Path     string        `yaml:"path,omitempty"` // prefix; empty: all
	Requests int           `yaml:"requests"`
	Window   time.Duration `yaml:"window"`
	By       string        `yaml:"by"`
	Shared   bool          `yaml:"shared,omitempty"` // counted in Redis, for all replicas
}

// Cache keeps what the origin's Cache-Control allows, and honours Vary.
type Cache struct {
	TTL    time.Duration `yaml:"ttl"`              // of what the origin gives no time for
	Shared bool          `yaml:"shared,omitempty"` // kept in Redis
}

// Headers are set and removed.
type Headers struct {
	Set    map[string]string `yaml:"set,omitempty"`
	Remove []string          `yaml:"remove,omitempty"`
}

// Empty says that no header is changed.
func (h Headers) Empty() bool { return len(h.Set)+len(h.Remove) == 0 }

// JSON rewrites a JSON body: fields by dotted path.
type JSON struct {
	Set    map[string]any `yaml:"set,omitempty"` // "bench.injected": true
	Remove []string       `yaml:"remove,omitempty"`
}

// Traffic is one kind of request of the measured load, as in a scenario.
type Traffic struct {
	Name   string            `yaml:"name,omitempty"`
	Method string            `yaml:"method,omitempty"`
	Path   string            `yaml:"path"`
	Header map[string]string `yaml:"header,omitempty"`
	Body   string            `yaml:"body,omitempty"`
	Weight float64           `yaml:"weight,omitempty"`
	IDs    int               `yaml:"ids,omitempty"`
	// Addresses is from how many client addresses the requests come: one is drawn for each, and sent as X-Real-IP.
	Addresses int    `yaml:"addresses,omitempty"`
	Token     string `yaml:"token,omitempty"` // AuthJWT: TokenValid; the header is made when the load begins
	Expect    []int  `yaml:"expect,omitempty"`
	// List is a file as in Route: a request for each of its paths below Path. Count is as there.
	List  string `yaml:"list,omitempty"`
	Count int    `yaml:"count,omitempty"`
}

// Requests is the traffic for the worker. Tokens are good for the time given.
func (p *Policy) Requests(now time.Time) ([]load.Request, error) {
	var out []load.Request
	for i, t := range p.Traffic {
		r := load.Request{
			Name: t.Name, Method: t.Method, Path: t.Path, Body: t.Body, Weight: t.Weight, IDs: t.IDs, Expect: t.Expect,
			Header: map[string]string{}, Addresses: t.Addresses,
		}
		if r.Name == "" {
			r.Name = p.Name
			if i > 0 {
				r.Name += string(rune('a' + i))
			}
		}
		for k, v := range t.Header {
			r.Header[k] = v
		}
		if t.Token != "" {
			token, err := p.Token(t.Token, now)
			if err != nil {
				return nil, err
			}
			r.Header["Authorization"] = "Bearer " + token
		}
		out = append(out, r)
	}
	return out, nil
}
