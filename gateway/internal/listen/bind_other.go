//go:build !linux

package listen

import "net"

// bound is an address that is only checked when it is listened on.
type bound struct{ address string }

func bind(address string, _ func(fd int) error) (*bound, net.Addr, error) {
	addr, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, nil, err
	}
	return &bound{address: address}, addr, nil
}

func (b *bound) listen() (net.Listener, error) { return net.Listen("tcp", b.address) }

func (b *bound) close() error { return nil }
