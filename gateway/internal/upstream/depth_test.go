package upstream

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// chain makes a root and a server's certificate for localhost with a number of
// intermediates between them.
func chain(t *testing.T, intermediates int) (root *x509.Certificate, server tls.Certificate) {
	t.Helper()
	var parent *x509.Certificate
	var parentKey *ecdsa.PrivateKey
	for i := range intermediates + 2 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		leaf := i == intermediates+1
		c := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), Subject: pkix.Name{CommonName: strconv.Itoa(i)},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IsCA: !leaf, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		}
		if leaf {
			c.DNSNames = []string{"localhost"}
		}
		if parent == nil {
			parent, parentKey = c, key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, parentKey)
		if err != nil {
			t.Fatal(err)
		}
		made, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			root = made
		} else {
			server.Certificate = append([][]byte{der}, server.Certificate...)
		}
		parent = made
		parentKey = key
		server.PrivateKey = key
	}
	return root, server
}

func TestTheChainsDepthIsLimited(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		intermediates int
		depth         int // -1: null
		verify        *bool
		ok            bool
	}{
		{verify: &yes, ok: true},
		{intermediates: 1, verify: &yes},
		{intermediates: 1, depth: 1, verify: &yes, ok: true},
		{intermediates: 2, depth: 1, verify: &yes},
		{intermediates: 2, depth: 2, verify: &yes, ok: true},
		{intermediates: 3, depth: -1, verify: &yes, ok: true},
		{intermediates: 3, verify: &no, ok: true}, // not checked at all
	} {
		root, certificate := chain(t, c.intermediates)
		origin := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
		origin.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
		origin.Config.ErrorLog = log.New(io.Discard, "", 0)
		origin.StartTLS()
		u, _ := url.Parse(origin.URL)
		port, _ := strconv.Atoi(u.Port())
		roots := x509.NewCertPool()
		roots.AddCert(root)
		p := newPools(t, Config{RootCAs: roots})
		s := &entity.Service{Protocol: "https", Host: "localhost", Port: port, TLSVerify: c.verify}
		if c.depth >= 0 {
			s.TLSVerifyDepth = &c.depth
		}
		b, err := p.Balancer(s, &Source{})
		if err != nil {
			t.Fatal(err)
		}
		err = p.Do(newCall(b))
		var dial *DialError
		if c.ok != (err == nil) || !c.ok && !errors.As(err, &dial) {
			t.Errorf("%d intermediates, depth %d: %v", c.intermediates, c.depth, err)
		}
		origin.Close()
	}
}
