package plugin

import (
	"crypto/x509"
	"strings"
	"sync/atomic"
	"time"
)

// ClientCertificate is what a client has shown in the handshake of its connection: that it
// holds the key of Chain[0]. Who has signed it is for plugins to check. It is shared by
// all requests of a connection.
type ClientCertificate struct {
	Chain []*x509.Certificate // one at least, its own first

	checked atomic.Pointer[chainCheck] // the last one
}

// chainCheck is what a check came to.
type chainCheck struct {
	by    *x509.CertPool
	until time.Time // when a certificate of the chain ends, or begins
	ok    bool
}

// SignedBy tells whether the certificate is valid now, for clients, and signed by one of
// these authorities, or by one that they have signed and that came with it. Nothing is
// asked about revocation.
func (c *ClientCertificate) SignedBy(authorities *x509.CertPool) bool {
	now := time.Now()
	if had := c.checked.Load(); had != nil && had.by == authorities && now.Before(had.until) {
		return had.ok
	}
	between := x509.NewCertPool()
	for _, cert := range c.Chain[1:] {
		between.AddCert(cert)
	}
	chains, err := c.Chain[0].Verify(x509.VerifyOptions{
		Roots: authorities, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	check := &chainCheck{by: authorities, until: now.Add(checkAgain), ok: err == nil && len(chains) > 0}
	if check.ok {
		for _, cert := range chains[0] {
			if cert.NotAfter.Before(check.until) {
				check.until = cert.NotAfter
			}
		}
	}
	c.checked.Store(check)
	return check.ok
}

// checkAgain is how long the outcome of a check holds at most.
const checkAgain = time.Minute

// Names are those that the certificate is for: its alternative names (DNS, email,
// URI), then its common name.
func (c *ClientCertificate) Names() []string {
	own := c.Chain[0]
	names := make([]string, 0, len(own.DNSNames)+len(own.EmailAddresses)+len(own.URIs)+1)
	names = append(append(names, own.DNSNames...), own.EmailAddresses...)
	for _, u := range own.URIs {
		names = append(names, u.String())
	}
	if own.Subject.CommonName != "" {
		names = append(names, own.Subject.CommonName)
	}
	return names
}

// CertificateAsker is a plugin that wants the client's certificate: handshakes for its
// routes ask for one.
type CertificateAsker interface{ AsksCertificate() }

// Authorities are those of the ca_certificates with these ids that there are: none sign
// nothing. They are made once for each list.
func (d *Directory) Authorities(ids []string) *x509.CertPool {
	key := strings.Join(ids, " ")
	if pool, ok := d.pools.Load(key); ok {
		return pool.(*x509.CertPool)
	}
	pool := x509.NewCertPool()
	for _, id := range ids {
		pool.AppendCertsFromPEM([]byte(d.authorities[id]))
	}
	kept, _ := d.pools.LoadOrStore(key, pool)
	return kept.(*x509.CertPool)
}
