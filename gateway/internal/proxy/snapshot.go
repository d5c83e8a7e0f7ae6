package proxy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/route"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

// snapshot is everything that a request needs, decided beforehand. It never
// changes once it is in use, but for counters.
type snapshot struct {
	revision  int64
	made      time.Time
	table     *route.Table
	routes    []routeEntry // by the route's position in the table
	directory *plugin.Directory
	balancers []*upstream.Balancer
	chains    *plugin.Chains
	unrouted  *series // for requests without a route
	label     []byte  // the revision as a header's value; nil: no header is asked for

	certificates *certificates // for clients

	configured map[string]bool // see configuredFields
	squeezed   map[string]bool // the same without marks, see squeeze
	guarded    bool            // a route is
}

// routeEntry is what a route's requests need.
type routeEntry struct {
	route    *entity.Route
	service  *entity.Service // nil: the route has none
	chain    *plugin.Chain
	balancer *upstream.Balancer
	series   *series
	guarded  bool // its plugins ask who the client is
	grpc     bool // the service is asked over HTTP/2
	// grpcRoute says that the route takes gRPC only.
	grpcRoute bool
	host      string // Host header for the upstream, unless the route preserves the client's

	diverted map[plugin.Diversion]*routeEntry // the same with other upstreams; nil: no plugin has any
}

// ApplyError says that a configuration was read, but cannot be put into use.
type ApplyError struct {
	Revision int64
	Err      error
}

func (e *ApplyError) Error() string { return fmt.Sprintf("apply revision %d: %v", e.Revision, e.Err) }

// Unwrap gives the cause.
func (e *ApplyError) Unwrap() error { return e.Err }

// Apply makes a snapshot of a configuration beside the one in use and swaps them.
// On an error, an *ApplyError, the previous revision stays in use. Revisions older
// than the one in use are ignored: notifications may overtake each other.
func (p *Proxy) Apply(cfg *entity.Config) error {
	p.applying.Lock()
	defer p.applying.Unlock()
	old := p.snapshot.Load()
	if old != nil && cfg.Revision < old.revision {
		return nil
	}
	s, err := p.build(cfg)
	if err != nil {
		if old != nil {
			old.chains.KeepOnly(p.deps) // the failed one may have begun to use others
		}
		return p.refuse(cfg.Revision, err)
	}
	p.snapshot.Store(s)
	p.pools.Keep(s.balancers)
	s.chains.KeepOnly(p.deps)
	return nil
}

// Refuse notes that a revision could not even be read, as Apply does of one that
// cannot be applied, and returns the error that Apply would.
func (p *Proxy) Refuse(revision int64, err error) error {
	p.applying.Lock()
	defer p.applying.Unlock()
	return p.refuse(revision, err)
}

func (p *Proxy) refuse(revision int64, err error) error {
	p.broken.Store(max(p.broken.Load(), revision))
	return &ApplyError{revision, err}
}

// label is a revision as the value of X-Gateway-Revision; nil: the header is not asked for.
func (p *Proxy) label(revision int64) []byte {
	if !p.config.RevisionHeader {
		return nil
	}
	return strconv.AppendInt(nil, revision, 10)
}

// enabledRoutes leaves out those of disabled services, by id.
func enabledRoutes(cfg *entity.Config, services map[string]*entity.Service) []entity.Route {
	if !slices.ContainsFunc(cfg.Services, func(s entity.Service) bool { return !s.Enabled }) {
		return cfg.Routes
	}
	routes := make([]entity.Route, 0, len(cfg.Routes))
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

func (p *Proxy) build(cfg *entity.Config) (*snapshot, error) {
	if p.config.Resolve != nil {
		resolved, err := p.config.Resolve(cfg)
		if err != nil {
			return nil, err
		}
		cfg = resolved
	}
	services := make(map[string]*entity.Service, len(cfg.Services))
	for i := range cfg.Services {
		services[cfg.Services[i].ID] = &cfg.Services[i]
	}
	routes := enabledRoutes(cfg, services)
	table, err := route.New(routes)
	if err != nil {
		return nil, err
	}
	chains, err := plugin.NewChains(cfg, p.deps)
	if err != nil {
		return nil, err
	}
	s := &snapshot{
		revision: cfg.Revision, made: time.Now(), table: table, chains: chains,
		directory: plugin.NewDirectory(cfg), routes: make([]routeEntry, len(routes)),
		unrouted: p.metrics.unknown, configured: configuredFields(cfg, p.deps.Plugins),
	}
	s.squeezed, s.label = squeezedFields(s.configured), p.label(cfg.Revision)
	if s.certificates, err = newCertificates(cfg, p.snapshot.Load()); err != nil {
		return nil, err
	}
	from := sourceOf(cfg)
	balancers, err := p.balancers(cfg, routes, from)
	if err != nil {
		return nil, err
	}
	s.balancers = slices.Collect(maps.Values(balancers))
	elsewhere := diversions{pools: p.pools, from: from, made: map[divertedService]*upstream.Balancer{}}
	if err := p.addRoutes(s, routes, services, balancers, &elsewhere); err != nil {
		return nil, err
	}
	s.balancers = slices.AppendSeq(s.balancers, maps.Values(elsewhere.made))
	return s, nil
}

// addRoutes makes the entries of all routes.
func (p *Proxy) addRoutes(
	s *snapshot, routes []entity.Route, services map[string]*entity.Service, balancers map[string]*upstream.Balancer, elsewhere *diversions,
) error {
	ofService := make(map[string]routeEntry, len(services)) // what the routes of a service have in common
	for i := range routes {
		r := &routes[i]
		var e routeEntry
		name := ""
		if r.Service != nil {
			var known bool
			if e, known = ofService[r.Service.ID]; !known {
				service := services[r.Service.ID]
				if service == nil {
					return fmt.Errorf("route %s: its service %s is missing", r.ID, r.Service.ID)
				}
				e = routeEntry{
					service: service, balancer: balancers[service.ID], grpc: isGRPCProtocol(service.Protocol),
					host: hostPort(service.Host, service.Port, service.Protocol),
				}
				ofService[service.ID] = e
			}
			name = nameOr(e.service.Name, e.service.ID)
		}
		e.route, e.chain = r, s.chains.For(r)
		e.guarded = e.chain.Authenticates()
		e.grpcRoute = slices.ContainsFunc(r.Protocols, isGRPCProtocol)
		s.guarded = s.guarded || e.guarded
		e.series = p.metrics.series(name, nameOr(r.Name, r.ID))
		if err := elsewhere.of(&e); err != nil {
			return err
		}
		s.routes[i] = e
	}
	return nil
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
	cfg *entity.Config, routes []entity.Route, from *upstream.Source,
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
		b, err := p.pools.Balancer(s, from)
		if err != nil {
			return nil, fmt.Errorf("service %s: %w", nameOr(s.Name, s.ID), err)
		}
		all[s.ID] = b
	}
	return all, nil
}

func nameOr(name, id string) string {
	if name != "" {
		return name
	}
	return id
}

// Revision is the snapshot's; -1 before the first.
func (p *Proxy) Revision() int64 {
	if s := p.snapshot.Load(); s != nil {
		return s.revision
	}
	return -1
}

// snapshotPointer only gives the atomic a name that can be read.
type snapshotPointer = atomic.Pointer[snapshot]
