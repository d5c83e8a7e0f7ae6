package listen

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
)

// bound is a socket that has an address and does not listen.
type bound struct{ fd int }

// maxBacklog is lowered by the kernel to net.core.somaxconn.
const maxBacklog = 1<<16 - 1

// protocolMPTCP is what net.Listen tries first, too.
const protocolMPTCP = 262

// bind does what net.Listen does up to listening: a wildcard address is that of
// both address families. control may set further options of the socket; nil:
// none.
func bind(address string, control func(fd int) error) (*bound, net.Addr, error) {
	addr, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, nil, err
	}
	families := []int{syscall.AF_INET6}
	switch {
	case addr.IP == nil || addr.IP.IsUnspecified():
		families = []int{syscall.AF_INET6, syscall.AF_INET} // the machine may lack IPv6
	case addr.IP.To4() != nil:
		families = []int{syscall.AF_INET}
	}
	for _, family := range families {
		var fd int
		fd, err = bindFamily(family, addr, control)
		if err == nil {
			return finish(fd)
		}
		if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES) {
			break
		}
	}
	return nil, nil, fmt.Errorf("listen tcp %s: %w", address, err)
}

func bindFamily(family int, addr *net.TCPAddr, control func(fd int) error) (fd int, err error) {
	for _, protocol := range []int{protocolMPTCP, syscall.IPPROTO_TCP} {
		fd, err = syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, protocol)
		if err == nil {
			break
		}
	}
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	if err := configure(fd, family, addr, control); err != nil {
		_ = syscall.Close(fd)
		return 0, err
	}
	return fd, nil
}

func configure(fd, family int, addr *net.TCPAddr, control func(fd int) error) error {
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if family == syscall.AF_INET6 {
		if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, 0); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	if control != nil {
		if err := control(fd); err != nil {
			return err
		}
	}
	name, err := sockaddr(family, addr)
	if err != nil {
		return err
	}
	return os.NewSyscallError("bind", syscall.Bind(fd, name))
}

func sockaddr(family int, addr *net.TCPAddr) (syscall.Sockaddr, error) {
	if family == syscall.AF_INET {
		name := &syscall.SockaddrInet4{Port: addr.Port}
		copy(name.Addr[:], addr.IP.To4())
		return name, nil
	}
	name := &syscall.SockaddrInet6{Port: addr.Port}
	if !addr.IP.IsUnspecified() {
		copy(name.Addr[:], addr.IP.To16())
	}
	if addr.Zone != "" {
		zone, err := net.InterfaceByName(addr.Zone)
		if err != nil {
			return nil, err
		}
		name.ZoneId = uint32(zone.Index) //nolint:gosec // an interface's index
	}
	return name, nil
}

// finish finds out which port the kernel chose.
func finish(fd int) (*bound, net.Addr, error) {
	name, err := syscall.Getsockname(fd)
	if err != nil {
		_ = syscall.Close(fd)
		return nil, nil, os.NewSyscallError("getsockname", err)
	}
	switch name := name.(type) {
	case *syscall.SockaddrInet4:
		return &bound{fd}, &net.TCPAddr{IP: net.IP(name.Addr[:]), Port: name.Port}, nil
	case *syscall.SockaddrInet6:
		return &bound{fd}, &net.TCPAddr{IP: net.IP(name.Addr[:]), Port: name.Port}, nil
	}
	_ = syscall.Close(fd)
	return nil, nil, errors.New("the socket has no IP address")
}

func (b *bound) listen() (net.Listener, error) {
	if err := syscall.Listen(b.fd, maxBacklog); err != nil {
		return nil, os.NewSyscallError("listen", err)
	}
	f := os.NewFile(uintptr(b.fd), "listener") //nolint:gosec // a file descriptor
	ln, err := net.FileListener(f)             // has a descriptor of its own
	_ = f.Close()
	return ln, err
}

func (b *bound) close() error { return os.NewSyscallError("close", syscall.Close(b.fd)) }
