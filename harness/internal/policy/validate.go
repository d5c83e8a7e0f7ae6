package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

func (p *Policy) validate() error {
	if len(p.Traffic) == 0 {
		return fmt.Errorf("traffic: want at least one request")
	}
	if len(p.Probes) == 0 {
		return fmt.Errorf("probes: want at least one: without parity there is no figure")
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

func (pr *Probe) validate(before []Probe) error {
	switch {
	case pr.Name == "":
		return fmt.Errorf("name: want one")
	case pr.Status < 100 || pr.Status > 599:
		return fmt.Errorf("status: %d is not allowed: want 100 to 599", pr.Status)
	case pr.Count < 0 || pr.Count > 2000:
		return fmt.Errorf("count: %d is not allowed: want 0 to 2000", pr.Count)
	case pr.Differs != "" && !slices.ContainsFunc(before, func(b Probe) bool { return b.Name == pr.Differs }):
		return fmt.Errorf("differs: there is no earlier probe %q", pr.Differs)
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
