package openidbearer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/fetching"
	"github.com/gatelab/gatelab/gateway/internal/plugin/jwks"
)

const (
	// timeout bounds one request to the provider.
	timeout = 5 * time.Second
	// maxAsking is how many requests ask about their tokens at once; others are
	// answered with 503.
	maxAsking = 64
	// maxAnswers is how many answers about tokens are remembered.
	maxAnswers = 1 << 14
)

// location is what a provider is known by: the same of a later configuration is the
// same provider.
type location struct {
	issuer, keys, introspection, hosts, clientID, clientSecret string
	discovery                                                  bool
	refresh, ttl                                               time.Duration
}

// provider is an OpenID provider: its keys, and what it says of tokens. It outlives
// configurations.
type provider struct {
	location
	client *fetching.Client
	keys   *jwks.Source
	log    *slog.Logger
	asking chan struct{} // holds an element for each request that asks

	mu      sync.Mutex
	found   *document // what discovery has said last; nil: nothing yet
	foundAt time.Time
	answers map[plugin.TokenKey]answer
}

// document is what discovery says (OpenID Connect Discovery 1.0, 4.2).
type document struct {
	Issuer        string `json:"issuer"`
	KeysURI       string `json:"jwks_uri"`
	Introspection string `json:"introspection_endpoint"`
}

func newProvider(at location, client *fetching.Client, log *slog.Logger) *provider {
	p := &provider{
		location: at, client: client, log: log, asking: make(chan struct{}, maxAsking), answers: map[plugin.TokenKey]answer{},
	}
	p.keys = jwks.NewSource(p.fetchKeys, at.refresh, log)
	return p
}

// fetchKeys gets the set of keys, from where discovery says they are.
func (p *provider) fetchKeys(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*timeout) // discovery and keys together
	defer cancel()
	where := p.location.keys
	if where == "" {
		d, err := p.discover(ctx)
		if err != nil {
			return nil, err
		}
		if where = d.KeysURI; where == "" {
			return nil, errors.New("the discovery document has no jwks_uri")
		}
	}
	return p.client.Get(ctx, where)
}

// discover returns what the provider says of itself, which is kept for refresh.
func (p *provider) discover(ctx context.Context) (*document, error) {
	if !p.discovery {
		return nil, errors.New("discovery is off")
	}
	p.mu.Lock()
	d, at := p.found, p.foundAt
	p.mu.Unlock()
	if d != nil && time.Since(at) < p.refresh {
		return d, nil
	}
	raw, err := p.client.Get(ctx, strings.TrimSuffix(p.issuer, "/")+"/.well-known/openid-configuration")
	if err == nil {
		var said document
		if err = json.Unmarshal(raw, &said); err == nil {
			err = p.check(&said)
		}
		if err == nil {
			p.mu.Lock()
			p.found, p.foundAt = &said, time.Now()
			p.mu.Unlock()
			return &said, nil
		}
	}
	if d != nil {
		return d, nil // the last good one
	}
	return nil, fmt.Errorf("discovery: %w", err)
}

// check wants the document to be the issuer's, and to lead to no host that the
// configuration does not name.
func (p *provider) check(d *document) error {
	if strings.TrimSuffix(d.Issuer, "/") != strings.TrimSuffix(p.issuer, "/") {
		return errors.New("the document is of another issuer")
	}
	own, err := url.Parse(p.issuer)
	if err != nil {
		return errors.New("the issuer is no URL")
	}
	allowed := append(strings.Fields(p.hosts), own.Host)
	for _, text := range []string{d.KeysURI, d.Introspection} {
		if text == "" {
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != own.Scheme {
			return errors.New("the document has an address that cannot be taken")
		}
		if !slices.Contains(allowed, u.Host) {
			return fmt.Errorf("the document leads to %q: name it in allowed_hosts to have it asked", u.Host)
		}
	}
	return nil
}

// answer is what the provider said of a token.
type answer struct {
	claims map[string]any // nil: it is not active
	until  time.Time
}

// errBusy says that too many requests ask about their tokens.
var errBusy = errors.New("too many requests ask about tokens")

// introspect asks the provider about a token; claims are nil where it is not active.
func (p *provider) introspect(token string, now time.Time) (claims map[string]any, err error) {
	key := plugin.KeyOfToken([]byte(token))
	p.mu.Lock()
	known, ok := p.answers[key]
	p.mu.Unlock()
	if ok && now.Before(known.until) {
		return known.claims, nil
	}
	select {
	case p.asking <- struct{}{}:
		defer func() { <-p.asking }()
	default:
		return nil, errBusy
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*timeout)
	defer cancel()
	where := p.introspection
	if where == "" {
		d, err := p.discover(ctx)
		if err != nil {
			return nil, err
		}
		if where = d.Introspection; where == "" {
			return nil, errors.New("the discovery document has no introspection_endpoint")
		}
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	raw, err := p.client.Post(ctx, where, form, p.clientID, p.clientSecret)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &claims); err != nil {
		return nil, errors.New("the introspection endpoint answered no JSON object")
	}
	if claims["active"] != true {
		claims = nil
	}
	p.remember(key, claims, now)
	return claims, nil
}

// remember keeps an answer for ttl, but no longer than the token lasts.
func (p *provider) remember(key plugin.TokenKey, claims map[string]any, now time.Time) {
	until := now.Add(p.ttl)
	if exp, ok := claims["exp"].(float64); ok {
		if ends := time.Unix(int64(exp), 0); ends.Before(until) {
			until = ends
		}
	}
	if !until.After(now) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.answers) >= maxAnswers {
		for other := range p.answers { // any one: it is asked again
			delete(p.answers, other)
			break
		}
	}
	p.answers[key] = answer{claims, until}
}
