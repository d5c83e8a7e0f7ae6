package proxy

import (
	"maps"
	"reflect"
	"slices"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/route"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

// This file makes the part of a snapshot that differs from the one before.

// rebuilding are the routes whose entries are made anew.
type rebuilding struct {
	*snapshot
	tasks   []rebuildTask
	needed  map[string]int  // how many of them a service has
	touched map[string]bool // services whose balancers may be missing, or needless now
}

type rebuildTask struct {
	slot  int
	route *entity.Route
}

// changeRoutes makes the entries of routes that differ from those of old, or whose
// services do.
func (p *Proxy) changeRoutes(s *snapshot, routes []*entity.Route, changes *route.Changes, old *snapshot) error {
	s.elsewhere = diversions{pools: p.pools, from: s.from, made: map[divertedService]*upstream.Balancer{}}
	s.ofService, s.byService = maps.Clone(old.ofService), maps.Clone(old.byService)
	s.asked = maps.Clone(old.asked)
	s.routes = entries(s.table.Slots(), old.routes)

	r := &rebuilding{snapshot: s, needed: map[string]int{}, touched: changedServices(s, old)}
	for id := range r.touched {
		delete(s.ofService, id)
		delete(s.byService, id)
	}
	changed := maps.Clone(r.touched)
	for _, slot := range changes.Cleared {
		r.forget(slot)
	}
	for _, c := range changes.Set {
		r.redo(c.Slot, routes[c.Position])
	}
	if len(changed) > 0 {
		for slot := range s.routes {
			if e := s.routes[slot]; e.service != nil && changed[e.service.ID] {
				r.redo(slot, e.route)
			}
		}
	}
	if err := r.settleBalancers(p); err != nil {
		return err
	}
	for _, t := range r.tasks {
		if err := p.addRoute(s, t.route, t.slot); err != nil {
			return err
		}
	}
	s.guarded = slices.ContainsFunc(s.routes, func(e *routeEntry) bool { return e.guarded })
	return nil
}

// forget clears a slot.
func (r *rebuilding) forget(slot int) {
	if service := r.routes[slot].service; service != nil {
		r.asked[service.ID]--
		r.touched[service.ID] = true
	}
	r.routes[slot] = noEntry
}

// redo has the entry of a slot made anew.
func (r *rebuilding) redo(slot int, of *entity.Route) {
	r.forget(slot)
	r.tasks = append(r.tasks, rebuildTask{slot, of})
	if of.Service != nil {
		r.needed[of.Service.ID]++
		r.touched[of.Service.ID] = true
	}
}

// settleBalancers makes the balancers of services that are asked now, and drops those
// of services that are not.
func (r *rebuilding) settleBalancers(p *Proxy) error {
	for id := range r.touched {
		service := r.services[id]
		if service == nil || r.asked[id]+r.needed[id] == 0 && r.from.Upstreams[service.Host] == nil {
			delete(r.byService, id)
			delete(r.ofService, id)
			continue
		}
		if r.byService[id] == nil {
			b, err := p.balancer(service, r.from)
			if err != nil {
				return err
			}
			r.byService[id] = b
		}
	}
	return nil
}

// changedServices are the ids of services that differ, or are there in one only.
func changedServices(s, old *snapshot) map[string]bool {
	changed := map[string]bool{}
	if isList(s.source.Services, old.source.Services) {
		return changed
	}
	for id, service := range s.services {
		if had := old.services[id]; had == nil || !sameService(had, service) {
			changed[id] = true
		}
	}
	for id := range old.services {
		if s.services[id] == nil {
			changed[id] = true
		}
	}
	return changed
}

// sameService compares what mostly differs first: what is behind pointers takes long.
func sameService(a, b *entity.Service) bool {
	return a.UpdatedAt == b.UpdatedAt && a.Host == b.Host && a.Port == b.Port && a.Protocol == b.Protocol && a.Path == b.Path &&
		a.Enabled == b.Enabled && a.Name == b.Name && a.Retries == b.Retries && a.ConnectTimeout == b.ConnectTimeout &&
		a.ReadTimeout == b.ReadTimeout && a.WriteTimeout == b.WriteTimeout && isList(a.Tags, b.Tags) &&
		(a.Protocol == "http" && a.ClientCertificate == nil && b.ClientCertificate == nil || reflect.DeepEqual(a, b))
}
