package docker

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/prometheus/procfs"
)

// labNetwork is a run's bridge. Its subnet is ours to choose, because the
// engine gives a container a fixed address only in such a network, and nginx
// looks its upstreams' addresses up only once.
type labNetwork struct {
	id, name string
	subnet   netip.Prefix
	next     netip.Addr
}

// ensureNetwork makes the run's network once. r.mu is held.
func (r *Runtime) ensureNetwork(ctx context.Context) (*labNetwork, error) {
	if r.network != nil {
		return r.network, nil
	}
	r.used = true
	taken := takenPrefixes()
	name := "gatelab-" + r.config.RunID
	var last error
	for range 20 {
		subnet := candidate(rand.IntN(1 << 12))
		if overlapsAny(subnet, taken) {
			continue
		}
		gateway := subnet.Addr().Next()
		res, err := r.api.NetworkCreate(ctx, name, client.NetworkCreateOptions{
			Driver: "bridge",
			Labels: r.labels(""),
			IPAM: &network.IPAM{Driver: "default", Config: []network.IPAMConfig{{
				Subnet: subnet, Gateway: gateway,
			}}},
		})
		if err == nil {
			r.network = &labNetwork{id: res.ID, name: name, subnet: subnet, next: gateway.Next()}
			return r.network, nil
		}
		last = err
		if !strings.Contains(err.Error(), "overlap") {
			break
		}
		taken = append(taken, subnet)
	}
	return nil, fmt.Errorf("make network %s: %w", name, last)
}

// candidate is the n-th /24 of 10.208.0.0/12, a part of the private space that
// neither the engine's own pools nor common home and office networks use.
func candidate(n int) netip.Prefix {
	n %= 1 << 12
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(208 + n>>8), byte(n), 0}), 24)
}

// address gives each node name one address for the life of the run. r.mu is held.
func (r *Runtime) address(n *labNetwork, node string) (netip.Addr, error) {
	if a, ok := r.addresses[node]; ok {
		return a, nil
	}
	a := n.next
	if !n.subnet.Contains(a.Next()) {
		return netip.Addr{}, fmt.Errorf("network %s has no address left for %s", n.name, node)
	}
	n.next = a.Next()
	r.addresses[node] = a
	return a, nil
}

// takenPrefixes are the networks this machine already reaches: its interfaces'
// and its routes', but for the default route.
func takenPrefixes() []netip.Prefix {
	var taken []netip.Prefix
	addrs, _ := net.InterfaceAddrs() // none known: the engine's own check remains
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			taken = append(taken, p.Masked())
		}
	}
	if system, err := procfs.NewDefaultFS(); err == nil {
		taken = append(taken, routes(system)...)
	}
	return taken
}

// routes are the destinations of the routing table. Addresses in it are in the
// machine's byte order.
func routes(system procfs.FS) []netip.Prefix {
	lines, err := system.NetRoute()
	if err != nil {
		return nil // none known: the engine's own check remains
	}
	var found []netip.Prefix
	for _, l := range lines {
		var destination, mask [4]byte
		binary.NativeEndian.PutUint32(destination[:], l.Destination)
		binary.NativeEndian.PutUint32(mask[:], l.Mask)
		if ones, _ := net.IPMask(mask[:]).Size(); ones > 0 {
			found = append(found, netip.PrefixFrom(netip.AddrFrom4(destination), ones).Masked())
		}
	}
	return found
}

func overlapsAny(p netip.Prefix, others []netip.Prefix) bool {
	for _, o := range others {
		if p.Overlaps(o) {
			return true
		}
	}
	return false
}
