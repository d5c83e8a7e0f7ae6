package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/gatelab/gatelab/gateway/internal/listen"
	"github.com/gatelab/gatelab/gateway/internal/proxy"
	"github.com/gatelab/gatelab/gateway/internal/settings"
)

// leastSeed is the length of a ticket secret in bytes, at least.
const leastSeed = 32

// bindTLS reserves the addresses of proxy_ssl_listen.
func (p *program) bindTLS() error {
	for _, addr := range p.settings.TLSListen {
		socket, err := listen.Bind(addr)
		if err != nil {
			return fmt.Errorf("proxy_ssl_listen=%q: %w", addr, err)
		}
		p.tlsProxy = append(p.tlsProxy, socket)
		p.onClose(func() { _ = socket.Close() })
	}
	return nil
}

// serveTLS opens the listeners of proxy_ssl_listen, and serves them as part of the
// group until the drain.
func (p *program) serveTLS(group *errgroup.Group) error {
	for _, socket := range p.tlsProxy {
		ln, err := socket.Listen()
		if err != nil {
			return fmt.Errorf("proxy_ssl_listen: %w", err)
		}
		group.Go(func() error {
			return p.server.ServeProtocols(ln, proxy.Protocols{TLS: true, HTTP2: p.settings.HTTP2 != "off"})
		})
	}
	return nil
}

func addresses(sockets []*listen.Socket) []string {
	out := make([]string, len(sockets))
	for i, s := range sockets {
		out[i] = s.Addr().String()
	}
	return out
}

// clientTLS reads what the settings say about TLS with clients.
func clientTLS(s *settings.Settings) (c proxy.TLSConfig, err error) {
	c.NoTickets = !s.TLSTickets
	c.Min, c.Max = tls.VersionTLS13, tls.VersionTLS12
	if slices.Contains(s.TLSProtocols, "TLSv1.2") {
		c.Min = tls.VersionTLS12
	}
	if slices.Contains(s.TLSProtocols, "TLSv1.3") {
		c.Max = tls.VersionTLS13
	}
	for _, suite := range tls.CipherSuites() {
		if slices.Contains(s.TLSCiphers, suite.Name) {
			c.Ciphers = append(c.Ciphers, suite.ID)
		}
	}
	if s.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(s.TLSCert, s.TLSKey)
		if err != nil {
			return c, fmt.Errorf("ssl_cert=%q, ssl_cert_key=%q: %w", s.TLSCert, s.TLSKey, err)
		}
		c.Default = &pair
	}
	if s.TLSTicketKeyFile != "" {
		if c.TicketSeed, err = os.ReadFile(s.TLSTicketKeyFile); err == nil && len(c.TicketSeed) < leastSeed {
			err = errors.New("want at least 32 bytes")
		}
		if err != nil {
			return c, fmt.Errorf("ssl_session_ticket_key=%q: %w", s.TLSTicketKeyFile, err)
		}
	}
	return c, nil
}
