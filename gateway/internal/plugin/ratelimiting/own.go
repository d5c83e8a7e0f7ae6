package ratelimiting

import (
	"fmt"
	"net/netip"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// ownFields are the fields of both plugins that Kong does not have. Their
// defaults change nothing.
func ownFields() []entity.Field {
	texts := func(name string) entity.Field {
		return entity.Field{Name: name, Kind: entity.Set, Elements: &entity.Field{Kind: entity.String}}
	}
	return []entity.Field{
		{Name: "standard_headers", Kind: entity.Boolean, Required: true, Default: false},
		{Name: "dry_run", Kind: entity.Boolean, Required: true, Default: false},
		texts("exempt_consumers"), texts("exempt_ips"),
		{Name: "local_share", Kind: entity.Boolean, Required: true, Default: false},
		{Name: "ipv6_prefix", Kind: entity.Integer, Default: plugin.WholeAddress, Between: &[2]float64{1, plugin.WholeAddress}},
	}
}

// checkExemptIPs refuses what is neither an address nor a range.
func checkExemptIPs(c entity.Record) map[string]any {
	list, _ := c["exempt_ips"].([]any)
	for _, v := range list {
		text, _ := v.(string)
		if _, err := parseRange(text); err != nil {
			return map[string]any{"exempt_ips": fmt.Sprintf("%q: want an address or a range, as in 10.0.0.0/8", text)}
		}
	}
	return nil
}

func parseRange(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}

// exemption is who is not limited.
type exemption struct {
	consumers map[string]bool // by id, username or custom_id
	ranges    []netip.Prefix
}

// newExemption is nil where no client is exempt.
func newExemption(consumers, ips []string) (*exemption, error) {
	if len(consumers) == 0 && len(ips) == 0 {
		return nil, nil
	}
	e := &exemption{consumers: map[string]bool{}}
	for _, name := range consumers {
		e.consumers[name] = true
	}
	for _, text := range ips {
		p, err := parseRange(text)
		if err != nil {
			return nil, fmt.Errorf("exempt_ips: %w", err)
		}
		e.ranges = append(e.ranges, p)
	}
	return e, nil
}

func (e *exemption) covers(x *plugin.Exchange) bool {
	if c := x.Consumer; c != nil && (e.consumers[c.ID] || e.named(c.Username) || e.named(c.CustomID)) {
		return true
	}
	if len(e.ranges) == 0 {
		return false
	}
	addr, err := netip.ParseAddr(x.ClientIP)
	if err != nil {
		return false
	}
	addr = addr.Unmap().WithZone("")
	for _, p := range e.ranges {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

func (e *exemption) named(name string) bool { return name != "" && e.consumers[name] }
