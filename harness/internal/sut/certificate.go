package sut

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"sync"
	"time"

	"github.com/gatelab/gatelab/harness/internal/policy"
)

// ServerName is the name that the arms' certificate has, and that clients ask for.
const ServerName = "bench.test"

// certificateFile is where an arm finds its certificate and key, in one file.
const certificateFile = "/tmp/bench.pem"

// certificateFor is longer than any comparison takes.
const certificateFor = 48 * time.Hour

// Certificate is what all arms of this process end TLS with: its own root, an ECDSA key on P-256, both in PEM.
type Certificate struct{ Public, Key []byte }

// LabCertificate is made once for a process.
var LabCertificate = sync.OnceValues(func() (Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Certificate{}, fmt.Errorf("make the lab's certificate: %w", err)
	}
	now := time.Now()
	of := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: ServerName}, DNSNames: []string{ServerName},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateFor),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	made, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	if err != nil {
		return Certificate{}, fmt.Errorf("make the lab's certificate: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Certificate{}, fmt.Errorf("make the lab's certificate: %w", err)
	}
	return Certificate{
		Public: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made}),
		Key:    pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}, nil
})

// Scheme is that of the arm's address.
func (a *Arm) Scheme() string {
	if a.Policy.Client.TLS() {
		return "https"
	}
	return "http"
}

// HTTP2 says whether clients speak HTTP/2.
func (a *Arm) HTTP2() bool { return a.Policy.Client.Protocol == policy.ProtocolHTTP2 }

// client asks an arm, with a connection for each request.
func (a *Arm) client() (*http.Client, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	if a.Policy.Client.TLS() {
		c, err := LabCertificate()
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(c.Public)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, ServerName: ServerName, MinVersion: tls.VersionTLS13}
	}
	return &http.Client{Transport: transport}, nil
}
