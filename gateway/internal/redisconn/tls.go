package redisconn

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"net/netip"
	"slices"
)

// tls is how a server is spoken to over TLS. Without VerifyTLS any certificate is
// taken, as Kong does by default: the connection is then private to those who
// listen on the way, but not to one who answers in the server's place.
func (c *Config) tls(o Options) *tls.Config {
	name := o.ServerName
	if name == "" {
		name = o.Host
	}
	// Go's own check knows no names but alternative ones.
	t := &tls.Config{ServerName: name, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} //nolint:gosec // see verify
	if o.VerifyTLS {
		t.VerifyConnection = func(s tls.ConnectionState) error { return verify(s.PeerCertificates, c.RootCAs, name) }
	}
	return t
}

// verify checks a server's certificates as Go does, but for one thing: the common
// name of a certificate without any alternative name is its name, as OpenSSL,
// and so Kong and Redis' own clients, have it. Certificates for Redis are often
// made by hand, and so.
func verify(chain []*x509.Certificate, roots *x509.CertPool, name string) error {
	if len(chain) == 0 {
		return errors.New("the server has sent no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	leaf := chain[0]
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between}); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: chain, Err: err}
	}
	if _, err := netip.ParseAddr(name); err != nil && commonNameOnly(leaf) {
		named := *leaf
		named.DNSNames = []string{leaf.Subject.CommonName}
		leaf = &named
	}
	if err := leaf.VerifyHostname(name); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: chain, Err: err}
	}
	return nil
}

func commonNameOnly(c *x509.Certificate) bool {
	named := func(e pkix.Extension) bool { return e.Id.Equal(alternativeNames) }
	return c.Subject.CommonName != "" && !slices.ContainsFunc(c.Extensions, named)
}

var alternativeNames = asn1.ObjectIdentifier{2, 5, 29, 17}
