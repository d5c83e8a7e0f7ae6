package docker

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
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
	f, err := os.Open("/proc/net/route")
	if err != nil {
		return taken
	}
	defer f.Close()
	return append(taken, routes(f)...)
}

// routes reads /proc/net/route: destination and mask are hexadecimal in the
// machine's byte order.
func routes(rd io.Reader) []netip.Prefix {
	var found []netip.Prefix
	lines := bufio.NewScanner(rd)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 8 {
			continue
		}
		dest, err1 := hex.DecodeString(f[1])
		mask, err2 := hex.DecodeString(f[7])
		if err1 != nil || err2 != nil || len(dest) != 4 || len(mask) != 4 {
			continue
		}
		var d, m [4]byte
		binary.NativeEndian.PutUint32(d[:], binary.BigEndian.Uint32(dest))
		binary.NativeEndian.PutUint32(m[:], binary.BigEndian.Uint32(mask))
		ones, _ := net.IPMask(m[:]).Size()
		if ones == 0 {
			continue
		}
		found = append(found, netip.PrefixFrom(netip.AddrFrom4(d), ones).Masked())
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
