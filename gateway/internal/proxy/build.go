package proxy

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/route"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

// build makes the snapshot of a configuration. What is the same as in old, which may
// be nil, is shared with it: a change of one of ten thousand routes costs that route.
func (p *Proxy) build(cfg *entity.Config, old *snapshot) (*snapshot, error) {
	s := &snapshot{revision: cfg.Revision, made: time.Now(), source: cfg, unrouted: p.metrics.unknown, label: p.label(cfg.Revision)}
	if p.config.Resolve != nil {
		resolved, err := p.config.Resolve(cfg)
		if err != nil {
			return nil, err
		}
		cfg = resolved
	}
	s.services = servicesOf(cfg, s.source, old)
	routes := enabledRoutes(cfg, s.services)
	changes, err := s.makeTable(routes, old)
	if err != nil {
		return nil, err
	}
	if old != nil && isList(s.source.Plugins, old.source.Plugins) {
		s.chains = old.chains
	} else if s.chains, err = plugin.NewChains(cfg, p.deps); err != nil {
		return nil, err
	}
	if old != nil && sameConsumers(s.source, old.source) {
		s.directory = old.directory
	} else {
		s.directory = plugin.NewDirectory(cfg)
	}
	if old != nil && sameUpstreams(s.source, old.source) {
		s.from = old.from
	} else {
		s.from = sourceOf(cfg)
	}
	if s.certificates, err = newCertificates(cfg, old); err != nil {
		return nil, err
	}
	s.configured = configuredFields(cfg, p.deps.Plugins)
	s.squeezed = squeezedFields(s.configured)
	if changes != nil && s.chains == old.chains && s.from == old.from && len(old.elsewhere.made) == 0 {
		err = p.changeRoutes(s, routes, changes, old)
	} else {
		err = p.addRoutes(s, cfg, routes)
	}
	if err != nil {
		return nil, err
	}
	s.asking = s.askingNames(routes)
	s.balancers = slices.AppendSeq(slices.Collect(maps.Values(s.byService)), maps.Values(s.elsewhere.made))
	return s, nil
}

// isList reports whether two lists are one: the store shares those without a change.
func isList[T any](a, b []T) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }

func sameConsumers(a, b *entity.Config) bool {
	return isList(a.Consumers, b.Consumers) && isList(a.KeyAuths, b.KeyAuths) && isList(a.JWTSecrets, b.JWTSecrets) &&
		isList(a.BasicAuths, b.BasicAuths) && isList(a.HMACAuths, b.HMACAuths) && isList(a.ACLs, b.ACLs) &&
		isList(a.OAuth2Credentials, b.OAuth2Credentials) && isList(a.OAuth2Tokens, b.OAuth2Tokens) && isList(a.CACertificates, b.CACertificates)
}

func sameUpstreams(a, b *entity.Config) bool {
	return isList(a.Upstreams, b.Upstreams) && isList(a.Targets, b.Targets) && isList(a.Certificates, b.Certificates) &&
		isList(a.CACertificates, b.CACertificates)
}

func servicesOf(cfg, source *entity.Config, old *snapshot) map[string]*entity.Service {
	if old != nil && isList(source.Services, old.source.Services) {
		return old.services
	}
	services := make(map[string]*entity.Service, len(cfg.Services))
	for i := range cfg.Services {
		services[cfg.Services[i].ID] = &cfg.Services[i]
	}
	return services
}

// makeTable makes the routing table. It returns what has changed, nil for everything.
func (s *snapshot) makeTable(routes []*entity.Route, old *snapshot) (changes *route.Changes, err error) {
	if old != nil {
		if s.table, changes, err = old.table.Change(routes); s.table != nil || err != nil {
			return changes, err
		}
	}
	s.table, err = route.New(routes)
	return nil, err
}

// addRoutes makes the entries of all routes.
func (p *Proxy) addRoutes(s *snapshot, cfg *entity.Config, routes []*entity.Route) (err error) {
	if s.byService, err = p.balancers(cfg, routes, s.from); err != nil {
		return err
	}
	s.elsewhere = diversions{pools: p.pools, from: s.from, made: map[divertedService]*upstream.Balancer{}}
	s.routes = entries(s.table.Slots(), nil)
	s.ofService, s.asked = make(map[string]*routeEntry, len(s.services)), map[string]int{}
	for i := range routes {
		if err := p.addRoute(s, routes[i], s.table.Slot(i)); err != nil {
			return err
		}
	}
	return nil
}

// addRoute makes the entry of a route.
func (p *Proxy) addRoute(s *snapshot, r *entity.Route, slot int) error {
	e, name := routeEntry{}, ""
	if r.Service != nil {
		basis, err := s.basis(r)
		if err != nil {
			return err
		}
		e = *basis
		name = nameOr(e.service.Name, e.service.ID)
		s.asked[r.Service.ID]++
	}
	e.route, e.chain = r, s.chains.For(r)
	e.guarded = e.chain.Authenticates()
	e.grpcRoute = slices.ContainsFunc(r.Protocols, isGRPCProtocol)
	s.guarded = s.guarded || e.guarded
	e.series = p.metrics.series(name, nameOr(r.Name, r.ID))
	if err := s.elsewhere.of(&e); err != nil {
		return err
	}
	s.routes[slot] = &e
	return nil
}

// basis is what the routes of a route's service have in common.
func (s *snapshot) basis(r *entity.Route) (*routeEntry, error) {
	e, known := s.ofService[r.Service.ID]
	if known {
		return e, nil
	}
	service := s.services[r.Service.ID]
	if service == nil {
		return e, fmt.Errorf("route %s: its service %s is missing", r.ID, r.Service.ID)
	}
	e = &routeEntry{
		service: new(*service), balancer: s.byService[service.ID], grpc: isGRPCProtocol(service.Protocol),
		host: hostPort(service.Host, service.Port, service.Protocol),
	}
	s.ofService[service.ID] = e
	return e, nil
}

// enabledRoutes leaves out those of disabled services, by id.
func enabledRoutes(cfg *entity.Config, services map[string]*entity.Service) []*entity.Route {
	if !slices.ContainsFunc(cfg.Services, func(s entity.Service) bool { return !s.Enabled }) {
		return cfg.Routes
	}
	routes := make([]*entity.Route, 0, len(cfg.Routes))
	for _, r := range cfg.Routes {
		if r.Service != nil {
			if s, ok := services[r.Service.ID]; ok && !s.Enabled {
				continue
			}
		}
		routes = append(routes, r)
	}
	return routes
}

// sourceOf is what balancers are made of beside their services.
func sourceOf(cfg *entity.Config) *upstream.Source {
	upstreams := make(map[string]*entity.Upstream, len(cfg.Upstreams))
	for i := range cfg.Upstreams {
		upstreams[cfg.Upstreams[i].Name] = &cfg.Upstreams[i]
	}
	targets := map[string][]entity.Target{}
	for _, t := range cfg.Targets {
		targets[t.Upstream.ID] = append(targets[t.Upstream.ID], t)
	}
	from := &upstream.Source{
		Upstreams: upstreams, Targets: targets,
		Certificates: map[string]*entity.Certificate{}, CACertificates: map[string]string{},
	}
	for i := range cfg.Certificates {
		from.Certificates[cfg.Certificates[i].ID] = &cfg.Certificates[i]
	}
	for _, c := range cfg.CACertificates {
		from.CACertificates[c.ID] = c.Cert
	}
	return from
}

// balancers are those of services that are asked: by a route, or by the probes
// of the upstream that they name. Others would only add series without a reader.
func (p *Proxy) balancers(
	cfg *entity.Config, routes []*entity.Route, from *upstream.Source,
) (map[string]*upstream.Balancer, error) {
	asked := make(map[string]bool, len(routes))
	for i := range routes {
		if r := routes[i].Service; r != nil {
			asked[r.ID] = true
		}
	}
	all := make(map[string]*upstream.Balancer, len(cfg.Services))
	for i := range cfg.Services {
		s := &cfg.Services[i]
		if !asked[s.ID] && from.Upstreams[s.Host] == nil {
			continue
		}
		b, err := p.balancer(s, from)
		if err != nil {
			return nil, err
		}
		all[s.ID] = b
	}
	return all, nil
}

func (p *Proxy) balancer(s *entity.Service, from *upstream.Source) (*upstream.Balancer, error) {
	b, err := p.pools.Balancer(s, from)
	if err != nil {
		return nil, fmt.Errorf("service %s: %w", nameOr(s.Name, s.ID), err)
	}
	return b, nil
}
