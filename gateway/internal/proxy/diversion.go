package proxy

import (
	"fmt"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

// divertedService is a service with another upstream.
type divertedService struct {
	service string // id
	to      plugin.Diversion
}

// diversions makes what requests need that plugins send to other upstreams.
type diversions struct {
	pools *upstream.Pools
	from  *upstream.Source
	made  map[divertedService]*upstream.Balancer
}

// of gives a route the upstreams that its plugins may choose. The service's time-outs,
// retries and protocol hold for them, too.
func (d *diversions) of(e *routeEntry) error {
	if e.service == nil {
		return nil
	}
	for _, to := range e.chain.Diversions() {
		service := *e.service
		if to.Host != "" {
			service.Host = to.Host
		}
		if to.Port != 0 {
			service.Port = to.Port
		}
		key := divertedService{service.ID, to}
		if d.made[key] == nil {
			b, err := d.pools.Balancer(&service, d.from)
			if err != nil {
				return fmt.Errorf("service %s to %s:%d: %w", nameOr(service.Name, service.ID), service.Host, service.Port, err)
			}
			d.made[key] = b
		}
		other := *e
		other.service, other.balancer = &service, d.made[key]
		other.diverted = nil
		other.host = hostPort(service.Host, service.Port, service.Protocol)
		if e.diverted == nil {
			e.diverted = map[plugin.Diversion]*routeEntry{}
		}
		e.diverted[to] = &other
	}
	return nil
}

// to is the entry for the upstream that a plugin has chosen; of one that it has not
// announced there is none, and the service's is asked.
func (e *routeEntry) to(d plugin.Diversion) *routeEntry {
	if d != (plugin.Diversion{}) {
		if other := e.diverted[d]; other != nil {
			return other
		}
	}
	return e
}
