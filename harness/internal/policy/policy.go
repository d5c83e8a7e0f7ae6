// Package policy says what the arms of a comparison are configured to do, in no gateway's words: a policy is a behaviour, the traffic that
// measures it, and the probes that tell whether a gateway behaves so. A set of policies is a file, scenarios/compare.yaml.
package policy

import (
	"time"

	"gatelab/harness/internal/load"
)

// Policy is one behaviour that every arm of a comparison is configured for. What is not set is not asked for: a plain reverse proxy.
type Policy struct {
	Name      string `yaml:"name"`
	Summary   string `yaml:"summary"`             // for a reader, one line
	Published string `yaml:"published,omitempty"` // the name in another benchmark: wallarm's p01-vanilla

	Routes       []Route   `yaml:"routes,omitempty"` // beside the route of all other paths; all lead to the origin
	Auth         *Auth     `yaml:"auth,omitempty"`   // on every path
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

// Route is one more route to the origin. Generated ones have {n} in Path and a Count: n counts from 1.
type Route struct {
	Kind  string `yaml:"kind"`
	Path  string `yaml:"path"`
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
	Token  string            `yaml:"token,omitempty"` // AuthJWT: TokenValid; the header is made when the load begins
	Expect []int             `yaml:"expect,omitempty"`
}

// Requests is the traffic for the worker. Tokens are good for the time given.
func (p *Policy) Requests(now time.Time) ([]load.Request, error) {
	var out []load.Request
	for i, t := range p.Traffic {
		r := load.Request{
			Name: t.Name, Method: t.Method, Path: t.Path, Body: t.Body, Weight: t.Weight, IDs: t.IDs, Expect: t.Expect,
			Header: map[string]string{},
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
