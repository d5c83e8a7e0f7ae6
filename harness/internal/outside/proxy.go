package outside

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/link"
)

// Proxy leads to a TCP address of this machine, and can be made a bad connection.
type Proxy struct {
	Listen   string // host:port for clients
	upstream string
	admin    string
	stop     context.CancelFunc
	done     chan error
}

// proxyName is the proxy's in the admin API.
const proxyName = "outside"

// readyWithin is how long the proxy may take to listen.
const readyWithin = 5 * time.Second

// NewProxy listens on listen, host:port on loopback (port 0: a free one), and forwards to upstream, host:port on this machine. Close must
// be called. An upstream on another machine is refused: faults are for what may be broken.
func NewProxy(ctx context.Context, listen, upstream string) (*Proxy, error) {
	if err := onThisMachine(upstream); err != nil {
		return nil, err
	}
	listen, err := freePort(listen)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	admin, err := freePort("127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx)) // forwards until Close, also after Ctrl-C: the fault is undone first
	p := &Proxy{Listen: listen, upstream: upstream, admin: admin, stop: stop, done: make(chan error, 1)}
	go func() {
		p.done <- link.Run(running, link.Config{
			Admin: admin, Proxies: []link.Proxy{{Name: proxyName, Listen: listen, Upstream: upstream}},
		})
	}()
	if err := p.ready(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// ready waits until the admin API listens, which it does last.
func (p *Proxy) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.admin)
		if err == nil {
			return c.Close()
		}
		select {
		case err := <-p.done:
			p.done <- nil
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Fault makes a fault of the connections through the proxy. probe is what makes the address respond; empty: it is found out.
func (p *Proxy) Fault(ctx context.Context, s fault.Spec, probe string) (fault.Fault, error) {
	return fault.NewProxied(ctx, s, fault.Proxied{
		Name: proxyName, Admin: p.admin, Listen: p.Listen, Upstream: p.upstream, Request: probe,
	})
}

// Close closes every connection and the listeners, and waits for it.
func (p *Proxy) Close() error {
	p.stop()
	return <-p.done
}

// freePort is an address on loopback that can be listened on; port 0 is replaced by a free one.
func freePort(address string) (string, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("%q is not allowed: want host:port", address)
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return "", fmt.Errorf("%q is not allowed: want an address on loopback, such as 127.0.0.1:15432", address)
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// onThisMachine refuses what is not an address of one of this machine's interfaces. Names but localhost are not looked up.
func onThisMachine(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "" {
		return fmt.Errorf("--proxy: %q is not allowed: want host:port", address)
	}
	if host == "localhost" {
		return nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("--proxy: %q is not allowed: want localhost or an IP address of this machine", address)
	}
	if ip.IsLoopback() {
		return nil
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("--proxy: list this machine's addresses: %w", err)
	}
	for _, a := range own {
		if n, ok := a.(*net.IPNet); ok && n.IP.String() == ip.Unmap().String() {
			return nil
		}
	}
	return fmt.Errorf("--proxy: %s is not on this machine: faults of other machines' connections are refused", address)
}
