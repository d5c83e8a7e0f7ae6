package upstream

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"

	"gatelab/gateway/internal/entity"
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
	name := s.Host // targets answer in the name of the service, or of host_header
	if u != nil && u.HostHeader != "" {
		name = hostOf(u.HostHeader)
	}
	verify := p.config.VerifyTLS
	if s.TLSVerify != nil {
		verify = *s.TLSVerify
	}
	sum := sha256.New()
	fmt.Fprintln(sum, name, verify)
	c := &tls.Config{ServerName: name, RootCAs: p.config.RootCAs, MinVersion: tls.VersionTLS12}
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
