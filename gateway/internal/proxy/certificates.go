package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// certificates are what a configuration has for TLS clients. They never change
// once they are in use.
type certificates struct {
	byID   map[string]*keyPair
	byName map[string]*keyPair // in lower case, wildcards as they are written
}

// keyPair is a certificate of the configuration with the texts it was made from.
type keyPair struct {
	cert, key string
	parsed    tls.Certificate
	staple    atomic.Pointer[staple]
}

// newCertificates takes what has not changed from the snapshot in use, which may be nil:
// to parse a key takes longer than all else that a small change costs.
func newCertificates(cfg *entity.Config, inUse *snapshot) (*certificates, error) {
	c := &certificates{byID: make(map[string]*keyPair, len(cfg.Certificates)), byName: make(map[string]*keyPair, len(cfg.SNIs))}
	for i := range cfg.Certificates {
		e := &cfg.Certificates[i]
		if inUse != nil {
			if had := inUse.certificates.byID[e.ID]; had != nil && had.cert == e.Cert && had.key == e.Key {
				c.byID[e.ID] = had
				continue
			}
		}
		c.byID[e.ID] = &keyPair{cert: e.Cert, key: e.Key}
	}
	for _, n := range cfg.SNIs {
		pair := c.byID[n.Certificate.ID]
		if pair == nil {
			return nil, fmt.Errorf("sni %s: its certificate %s is missing", n.Name, n.Certificate.ID)
		}
		if err := pair.parse(); err != nil {
			return nil, fmt.Errorf("certificate %s of sni %s: %w", n.Certificate.ID, n.Name, err)
		}
		c.byName[strings.ToLower(n.Name)] = pair
	}
	return c, nil
}

// parse reads the texts, once. Those of certificates without names are another's
// affair: services use them as clients.
func (k *keyPair) parse() (err error) {
	if k.parsed.Certificate == nil {
		k.parsed, err = tls.X509KeyPair([]byte(k.cert), []byte(k.key))
	}
	return err
}

// find returns the certificate for a name that a client asks for, as Kong does:
// the name itself, a wildcard in place of its first label, then of its last, then
// "*". nil where there is none.
func (c *certificates) find(name string) *tls.Certificate {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name != "" {
		if pair := c.byName[name]; pair != nil {
			return pair.stapled()
		}
		first := strings.IndexByte(name, '.')
		if first > 0 {
			if pair := c.byName["*"+name[first:]]; pair != nil {
				return pair.stapled()
			}
			if pair := c.byName[name[:strings.LastIndexByte(name, '.')]+".*"]; pair != nil {
				return pair.stapled()
			}
		}
	}
	if pair := c.byName["*"]; pair != nil {
		return pair.stapled()
	}
	return nil
}

// selfSigned makes the certificate of a gateway that was given none. No client
// has a reason to trust it.
func selfSigned(now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "localhost", Organization: []string{"gatelab"}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0), DNSNames: []string{"localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
