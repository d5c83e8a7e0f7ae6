package upstream

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// security is how a service's targets are talked to over TLS. Equal ones have
// equal keys: connections are shared by them only.
type security struct {
	key    string
	config *tls.Config
}

// secure makes a service's security; nil for plain TCP. As in Kong 3.4 a
// certificate is checked only where tls_verify or the gateway's setting says
// so.
func (p *Pools) secure(s *entity.Service, u *entity.Upstream, from *Source) (*security, error) {
	switch s.Protocol {
	case "https", "grpcs", "wss":
	default:
		return nil, nil
	}
	verify := p.config.VerifyTLS
	if s.TLSVerify != nil {
		verify = *s.TLSVerify
	}
	sum := sha256.New()
	fmt.Fprintln(sum, verify)
	c := &tls.Config{RootCAs: p.config.RootCAs, MinVersion: tls.VersionTLS12}
	c.InsecureSkipVerify = !verify //nolint:gosec // Kong's default, and a setting
	if verify && len(s.CACertificates) > 0 {
		c.RootCAs = x509.NewCertPool()
		for _, id := range s.CACertificates {
			ca, ok := from.CACertificates[id]
			if !ok || !c.RootCAs.AppendCertsFromPEM([]byte(ca)) {
				return nil, fmt.Errorf("ca_certificates: %s: no such certificate", id)
			}
			fmt.Fprintln(sum, ca)
		}
	}
	if verify && s.TLSVerifyDepth != nil {
		fmt.Fprintln(sum, "depth", *s.TLSVerifyDepth)
		c.VerifyConnection = chainWithin(*s.TLSVerifyDepth)
	}
	ref := s.ClientCertificate
	if ref == nil && u != nil {
		ref = u.ClientCertificate
	}
	if ref != nil {
		pair, ok := from.Certificates[ref.ID]
		if !ok {
			return nil, fmt.Errorf("client_certificate %s: no such certificate", ref.ID)
		}
		mine, err := tls.X509KeyPair([]byte(pair.Cert), []byte(pair.Key))
		if err != nil {
			return nil, fmt.Errorf("client_certificate %s: %w", ref.ID, err)
		}
		c.Certificates = []tls.Certificate{mine}
		fmt.Fprintln(sum, pair.Cert)
	}
	return &security{key: hex.EncodeToString(sum.Sum(nil)), config: c}, nil
}

// chainWithin wants a chain with at most depth certificates between the server's
// and its root's, as OpenSSL counts for nginx's proxy_ssl_verify_depth.
func chainWithin(depth int) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		shortest := 0
		for i, chain := range state.VerifiedChains {
			if n := max(len(chain)-2, 0); i == 0 || n < shortest {
				shortest = n
			}
		}
		if shortest > depth {
			return fmt.Errorf("the certificate's chain has %d intermediates, more than the %d of tls_verify_depth", shortest, depth)
		}
		return nil
	}
}

// serverName is what TLS asks a target for: the name in the Host header, so
// that virtual hosts see one name in both; "" without TLS.
func (t *Target) serverName(host []byte) string {
	if t.tls == nil {
		return ""
	}
	usual := t.tls.ServerName
	if name, _, _ := bytes.Cut(host, []byte{':'}); string(name) == usual { // else IPv6, or another
		return usual
	}
	return hostOf(string(host))
}

// isForeign tells whether a server name is a request's own word, as where a route
// preserves the client's Host, and not the configuration's.
func (t *Target) isForeign(name string) bool { return name != t.tls.ServerName }

// tlsFor is the configuration for a server name.
func (t *Target) tlsFor(name string) *tls.Config {
	if name == t.tls.ServerName {
		return t.tls
	}
	c := t.tls.Clone()
	c.ServerName = name
	return c
}
