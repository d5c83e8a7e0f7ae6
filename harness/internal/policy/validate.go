package policy

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/load"
)

func (p *Policy) validate() error {
	if len(p.Traffic) == 0 {
		return fmt.Errorf("traffic: want at least one request")
	}
	if len(p.Probes) == 0 {
		return fmt.Errorf("probes: want at least one: without parity there is no figure")
	}
	if err := p.Client.validate(); err != nil {
		return fmt.Errorf("client.%w", err)
	}
	for i, r := range p.Routes {
		if err := r.validate(); err != nil {
			return fmt.Errorf("routes[%d].%w", i, err)
		}
	}
	if p.Auth != nil {
		if err := p.Auth.validate(); err != nil {
			return fmt.Errorf("auth.%w", err)
		}
	}
	for i, c := range p.Changes {
		if c != 1 && c != 10 || slices.Contains(p.Changes[:i], c) {
			return fmt.Errorf("changes[%d]: %d is not allowed: want 1 or 10 per second, once each", i, c)
		}
	}
	if err := p.validateTrial(); err != nil {
		return err
	}
	if err := p.validateSockets(); err != nil {
		return err
	}
	if p.Only && len(p.Routes) == 0 {
		return fmt.Errorf("only: want routes, as no other path has an answer")
	}
	for i, l := range p.Limits {
		if err := l.validate(); err != nil {
			return fmt.Errorf("limits[%d].%w", i, err)
		}
	}
	if p.Cache != nil && p.Cache.TTL <= 0 {
		return fmt.Errorf("cache.ttl: %s is not allowed: want above 0", p.Cache.TTL)
	}
	for i, t := range p.Traffic {
		if err := p.sendable(t.Path, t.Token); err != nil {
			return fmt.Errorf("traffic[%d].%w", i, err)
		}
		if err := addresses(t.Addresses); err != nil {
			return fmt.Errorf("traffic[%d].%w", i, err)
		}
	}
	for i, pr := range p.Probes {
		if err := p.sendable(pr.Path, pr.Token); err != nil {
			return fmt.Errorf("probes[%d] (%s).%w", i, pr.Name, err)
		}
		if err := p.Probes[i].validate(p.Probes[:i]); err != nil {
			return fmt.Errorf("probes[%d] (%s).%w", i, pr.Name, err)
		}
	}
	return nil
}

// maxIdle is how many idle connections a policy may ask for: servers have a descriptor for each.
const maxIdle = 10_000

func (p *Policy) validateTrial() error {
	o := p.Origins
	trials := 0
	for _, asked := range []bool{len(p.Changes) > 0, p.Fault != "", p.Idle != 0} {
		if asked {
			trials++
		}
	}
	switch {
	case trials > 1:
		return fmt.Errorf("changes, fault, idle: want one of them at most")
	case o != nil && (o.Count < 2 || o.Count > 4):
		return fmt.Errorf("origins.count: %d is not allowed: want 2 to 4", o.Count)
	case o != nil && (o.Timeout < 100*time.Millisecond || o.Timeout > 2*time.Second):
		return fmt.Errorf("origins.timeout: %s is not allowed: want 100ms to 2s", o.Timeout)
	case p.Fault != "" && p.Fault != FaultKill && p.Fault != FaultSlow && p.Fault != FaultSick:
		return fmt.Errorf("fault: %q is not allowed: want %s, %s or %s", p.Fault, FaultKill, FaultSlow, FaultSick)
	case p.Fault != "" && o == nil:
		return fmt.Errorf("fault: %s needs origins", p.Fault)
	case p.Idle < 0 || p.Idle > maxIdle:
		return fmt.Errorf("idle: %d is not allowed: want 0 to %d", p.Idle, maxIdle)
	case p.Trial() && p.Client.TLS():
		return fmt.Errorf("client.protocol: %s is not allowed with changes, fault and idle", p.Client.Protocol)
	}
	return nil
}

func (c Client) validate() error {
	switch {
	case c.Protocol != "" && c.Protocol != ProtocolTLS && c.Protocol != ProtocolHTTP2:
		return fmt.Errorf("protocol: %q is not allowed: want %s, %s or none", c.Protocol, ProtocolTLS, ProtocolHTTP2)
	case c.Protocol == ProtocolHTTP2 && (c.Streams < 1 || c.Streams > load.MaxStreams):
		return fmt.Errorf("streams: %d is not allowed: want 1 to %d for protocol %s", c.Streams, load.MaxStreams, ProtocolHTTP2)
	case c.Protocol != ProtocolHTTP2 && c.Streams != 0:
		return fmt.Errorf("streams: %d is not allowed: only protocol %s has streams", c.Streams, ProtocolHTTP2)
	case c.Reconnect && c.Protocol == ProtocolHTTP2:
		return fmt.Errorf("reconnect: is not allowed for protocol %s", ProtocolHTTP2)
	case c.Connections < 0 || c.Connections > load.MaxConnections:
		return fmt.Errorf("connections: %d is not allowed: want 0 to %d", c.Connections, load.MaxConnections)
	}
	return nil
}

func addresses(n int) error {
	if n < 0 || n > load.MaxAddresses {
		return fmt.Errorf("addresses: %d is not allowed: want 0 to %d", n, load.MaxAddresses)
	}
	return nil
}

func (p *Policy) sendable(path, token string) error {
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " \r\n") {
		return fmt.Errorf("path: %q is not allowed: want one that begins with / and has no space", path)
	}
	if token != "" {
		if _, err := p.Token(token, time.Unix(0, 0)); err != nil {
			return err
		}
	}
	return nil
}

// Of messages on a WebSocket, in bytes: the origin echoes no longer ones, and a ping's payload is limited by RFC 6455.
const (
	maxMessage = 1 << 20
	maxPing    = 125
)

// closeCode says whether a code is one that a program may use as it likes, RFC 6455; 0 is none.
func closeCode(code int) bool { return code == 0 || code >= 3000 && code <= 4999 }

// validateSockets checks a policy with WebSockets: the load generator sends one kind of message without TLS.
func (p *Policy) validateSockets() error {
	if !p.WebSocket {
		if slices.ContainsFunc(p.Probes, func(pr Probe) bool { return pr.Talk != nil }) {
			return fmt.Errorf("websocket: want true, as a probe has a talk")
		}
		return nil
	}
	switch t := p.Traffic[0]; {
	case len(p.Traffic) != 1 || t.Body == "" || t.Method != "":
		return fmt.Errorf("websocket: want one request of traffic, without a method and with a message as its body")
	case p.Client.TLS() || p.Client.Reconnect:
		return fmt.Errorf("websocket: is not allowed with client.protocol and client.reconnect")
	case p.Events || p.Cache != nil || len(p.Changes) > 0 || p.Fault != "":
		return fmt.Errorf("websocket: is not allowed with events, cache, changes and fault")
	}
	return nil
}

func (pr *Probe) validate(before []Probe) error {
	switch {
	case pr.Name == "":
		return fmt.Errorf("name: want one")
	case pr.Status < 100 || pr.Status > 599:
		return fmt.Errorf("status: %d is not allowed: want 100 to 599", pr.Status)
	case pr.Count < 0 || pr.Count > 2000:
		return fmt.Errorf("count: %d is not allowed: want 0 to 2000", pr.Count)
	case pr.Ahead < 0:
		return fmt.Errorf("ahead: %s is not allowed: want 0 or more", pr.Ahead)
	case pr.Talk != nil && (pr.Status != http.StatusSwitchingProtocols || pr.Method != "" || pr.Body != "" || pr.Count > 1):
		return fmt.Errorf("talk: want status 101 and one GET without a body")
	case pr.Talk != nil && (!closeCode(pr.Talk.Close) || !closeCode(pr.Talk.Ends) || pr.Talk.Close != 0 && pr.Talk.Ends != 0):
		return fmt.Errorf("talk: want one of close and ends at most, from 3000 to 4999")
	case pr.Talk != nil && (pr.Talk.Binary < 0 || pr.Talk.Binary > maxMessage || len(pr.Talk.Ping) > maxPing):
		return fmt.Errorf("talk: want a binary message of %d bytes at most, and a ping of %d", maxMessage, maxPing)
	case pr.Differs != "" && !slices.ContainsFunc(before, func(b Probe) bool { return b.Name == pr.Differs }):
		return fmt.Errorf("differs: there is no earlier probe %q", pr.Differs)
	}
	if err := addresses(pr.Addresses); err != nil {
		return err
	}
	for field, r := range map[string]*Range{"passes": pr.Passes, "reach": pr.Reach} {
		if r != nil && (r.Min < 0 || r.Max < r.Min || r.Max > max(pr.Count, 1)) {
			return fmt.Errorf("%s: %d to %d is not allowed: want min <= max <= count", field, r.Min, r.Max)
		}
	}
	return nil
}

func (r Route) validate() error {
	switch {
	case r.Kind != RouteExact && r.Kind != RoutePrefix && r.Kind != RouteRegex:
		return fmt.Errorf("kind: %q is not allowed: want %s, %s or %s", r.Kind, RouteExact, RoutePrefix, RouteRegex)
	case !strings.HasPrefix(r.Path, "/") || strings.ContainsAny(r.Path, " \r\n\"';{}") && r.Count == 0:
		return fmt.Errorf("path: %q is not allowed: want one that begins with /", r.Path)
	case r.Count < 0 || r.Count > 20_000:
		return fmt.Errorf("count: %d is not allowed: want 0 to 20000", r.Count)
	}
	if r.Kind == RouteRegex {
		if _, err := regexp.Compile(strings.ReplaceAll(r.Path, "{n}", "1")); err != nil {
			return fmt.Errorf("path: %w", err)
		}
	}
	return nil
}

func (a *Auth) validate() error {
	var missing string
	switch a.Kind {
	case AuthKey:
		missing = absent("header", a.Header, "key", a.Key)
	case AuthBasic:
		missing = absent("user", a.User, "password", a.Password)
	case AuthJWT:
		missing = absent("issuer", a.Issuer, "secret", a.Secret)
	default:
		return fmt.Errorf("kind: %q is not allowed: want %s, %s or %s", a.Kind, AuthKey, AuthBasic, AuthJWT)
	}
	if missing != "" {
		return fmt.Errorf("%s: is missing for kind %s", missing, a.Kind)
	}
	return nil
}

// absent is the first name whose value is empty.
func absent(pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			return pairs[i]
		}
	}
	return ""
}

func (l Limit) validate() error {
	switch {
	case l.Requests <= 0:
		return fmt.Errorf("requests: %d is not allowed: want above 0", l.Requests)
	case l.Window < time.Second || l.Window%time.Second != 0:
		return fmt.Errorf("window: %s is not allowed: want whole seconds", l.Window)
	case l.By != ByService && l.By != ByAddress:
		return fmt.Errorf("by: %q is not allowed: want %s or %s", l.By, ByService, ByAddress)
	}
	return nil
}

// Paths are the routes' paths, those that are counted written out.
func (r Route) Paths() []string {
	if r.Count == 0 {
		return []string{r.Path}
	}
	out := make([]string, r.Count)
	for i := range out {
		out[i] = strings.ReplaceAll(r.Path, "{n}", fmt.Sprint(i+1))
	}
	return out
}
