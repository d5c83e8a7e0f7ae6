package proxy

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// ocspAuthority signs certificates, and tells their status on loopback.
type ocspAuthority struct {
	certificate *x509.Certificate
	key         crypto.Signer
	server      *httptest.Server
	asked       atomic.Int64
	answer      atomic.Pointer[func(http.ResponseWriter, *ocsp.Request)]
}

func startOCSPAuthority(t *testing.T) *ocspAuthority {
	t.Helper()
	a := &ocspAuthority{}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a.key = key
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.asked.Add(1)
		text, err := url.QueryUnescape(strings.TrimPrefix(r.URL.EscapedPath(), "/ocsp/"))
		raw, err2 := base64.StdEncoding.DecodeString(text)
		question, err3 := ocsp.ParseRequest(raw)
		if err != nil || err2 != nil || err3 != nil {
			t.Errorf("the question %s: %v, %v, %v", r.URL, err, err2, err3)
			return
		}
		(*a.answer.Load())(w, question)
	}))
	t.Cleanup(a.server.Close)
	a.tells(ocsp.Good, time.Hour)
	return a
}

// tells has the authority give a status that holds for some time.
func (a *ocspAuthority) tells(status int, holds time.Duration) {
	a.does(func(w http.ResponseWriter, q *ocsp.Request) {
		_, _ = w.Write(a.response(q.SerialNumber, status, holds, a.key))
	})
}

func (a *ocspAuthority) does(f func(http.ResponseWriter, *ocsp.Request)) { a.answer.Store(&f) }

func (a *ocspAuthority) response(serial *big.Int, status int, holds time.Duration, key crypto.Signer) []byte {
	raw, err := ocsp.CreateResponse(a.certificate, a.certificate, ocsp.Response{
		Status: status, SerialNumber: serial, ThisUpdate: time.Now().Add(-2 * time.Hour), NextUpdate: time.Now().Add(holds),
		RevokedAt: time.Now().Add(-time.Hour),
	}, key)
	if err != nil {
		panic(err)
	}
	return raw
}

// signs makes a certificate that names an OCSP server, with its issuer's behind it.
func (a *ocspAuthority) signs(t *testing.T, id, server string) entity.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: id}, DNSNames: []string{"example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), OCSPServer: []string{server},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return entity.Certificate{
		ID: id, Cert: text("CERTIFICATE", der) + text("CERTIFICATE", a.certificate.Raw), Key: text("PRIVATE KEY", private),
	}
}

// startStapling is a gateway with a certificate of the authority.
func startStapling(t *testing.T, a *ocspAuthority, server string) (g *gateway, address string) {
	t.Helper()
	g = start(t, Config{Staple: 10 * time.Millisecond}, 4)
	c := config("http://127.0.0.1:1", entity.Route{Paths: []string{"/"}})
	c.Certificates = append(c.Certificates, a.signs(t, "own", server))
	withNames(c, "own", "example.com", "*.example.com")
	g.apply(t, c)
	return g, g.listen(t, Protocols{TLS: true})
}

func stapleOf(t *testing.T, address string) []byte {
	t.Helper()
	c := dialTLS(t, address, nil)
	defer c.Close()
	return c.ConnectionState().OCSPResponse
}

func stapleWait(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// TestStaple is in handshakes once the authority has answered, is asked for once for
// all names, and again when its time has come.
func TestStaple(t *testing.T) {
	a := startOCSPAuthority(t)
	g, address := startStapling(t, a, a.server.URL+"/ocsp")
	var raw []byte
	stapleWait(t, "no answer is stapled", func() bool { raw = stapleOf(t, address); return raw != nil })
	if r, err := ocsp.ParseResponse(raw, a.certificate); err != nil || r.Status != ocsp.Good {
		t.Errorf("stapled is %v, %v", r, err)
	}
	if n := a.asked.Load(); n != 1 {
		t.Errorf("the authority was asked %d times", n)
	}
	pair := g.snapshot.Load().certificates.byName["example.com"]
	had := pair.staple.Load()
	if left := time.Until(had.next); left > 31*time.Minute || left < 20*time.Minute {
		t.Errorf("it is asked again in %v, of an answer that holds for an hour", left)
	}
	// A renewal that fails leaves what is there, until it ends.
	a.does(func(w http.ResponseWriter, _ *ocsp.Request) { w.WriteHeader(http.StatusInternalServerError) })
	pair.staple.Store(&staple{certificate: had.certificate, until: had.until})
	stapleWait(t, "it was not asked again", func() bool { return pair.staple.Load().failures == 1 })
	if stapleOf(t, address) == nil {
		t.Error("a renewal that failed has taken the staple away")
	}
	if left := time.Until(pair.staple.Load().next); left < 50*time.Second {
		t.Errorf("after a failure it is asked again in %v", left)
	}
	ended := *pair.staple.Load()
	ended.until = time.Now()
	pair.staple.Store(&ended)
	if stapleOf(t, address) != nil {
		t.Error("what does not hold any more is stapled")
	}
}

// TestNoStaple of answers that are not what they should be. Handshakes go on.
func TestNoStaple(t *testing.T) {
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := startOCSPAuthority(t)
	write := func(raw func(q *ocsp.Request) []byte) func(http.ResponseWriter, *ocsp.Request) {
		return func(w http.ResponseWriter, q *ocsp.Request) { _, _ = w.Write(raw(q)) }
	}
	for name, answer := range map[string]func(http.ResponseWriter, *ocsp.Request){
		"revoked": write(func(q *ocsp.Request) []byte { return a.response(q.SerialNumber, ocsp.Revoked, time.Hour, a.key) }),
		"unknown": write(func(q *ocsp.Request) []byte { return a.response(q.SerialNumber, ocsp.Unknown, time.Hour, a.key) }),
		"old":     write(func(q *ocsp.Request) []byte { return a.response(q.SerialNumber, ocsp.Good, -time.Minute, a.key) }),
		"signed by another": write(func(q *ocsp.Request) []byte {
			return a.response(q.SerialNumber, ocsp.Good, time.Hour, stranger)
		}),
		"about another": write(func(*ocsp.Request) []byte { return a.response(big.NewInt(7), ocsp.Good, time.Hour, a.key) }),
		"malformed":     write(func(*ocsp.Request) []byte { return []byte("no") }),
		"too long":      write(func(*ocsp.Request) []byte { return make([]byte, 1<<20) }),
		"elsewhere": func(w http.ResponseWriter, _ *ocsp.Request) {
			w.Header().Set("Location", a.server.URL+"/other")
			w.WriteHeader(http.StatusFound)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a.does(answer)
			g, address := startStapling(t, a, a.server.URL+"/ocsp")
			pair := g.snapshot.Load().certificates.byName["example.com"]
			stapleWait(t, "the authority was not asked", func() bool { s := pair.staple.Load(); return s != nil && s.failures == 1 })
			if stapleOf(t, address) != nil {
				t.Error("it is stapled")
			}
		})
	}
}

// TestAnAuthorityThatHangs holds no handshake up.
func TestAnAuthorityThatHangs(t *testing.T) {
	a := startOCSPAuthority(t)
	held := make(chan struct{})
	a.does(func(http.ResponseWriter, *ocsp.Request) { <-held })
	_, address := startStapling(t, a, a.server.URL+"/ocsp")
	stapleWait(t, "the authority was not asked", func() bool { return a.asked.Load() == 1 })
	for range 5 {
		if stapleOf(t, address) != nil {
			t.Error("something is stapled")
		}
	}
	close(held)
}

// TestOtherAddressesAreNotAsked, of what certificates may have in them.
func TestOtherAddressesAreNotAsked(t *testing.T) {
	a := startOCSPAuthority(t)
	g, _ := startStapling(t, a, "ldap://127.0.0.1/ocsp")
	pair := g.snapshot.Load().certificates.byName["example.com"]
	stapleWait(t, "it was not looked at", func() bool { s := pair.staple.Load(); return s != nil && s.failures == 1 })
}

// TestTheCertificateOfAFileIsStapled without any configuration, once for all listeners.
func TestTheCertificateOfAFileIsStapled(t *testing.T) {
	a := startOCSPAuthority(t)
	made := a.signs(t, "own", a.server.URL+"/ocsp")
	pair, err := tls.X509KeyPair([]byte(made.Cert), []byte(made.Key))
	if err != nil {
		t.Fatal(err)
	}
	g := startServer(t, Config{Staple: 10 * time.Millisecond}, limits(func(c *ServerConfig) { c.TLS.Default = &pair }), 4)
	for _, address := range []string{g.listen(t, Protocols{TLS: true}), g.listen(t, Protocols{TLS: true, HTTP2: true})} {
		var raw []byte
		stapleWait(t, "no answer is stapled", func() bool { raw = stapleOf(t, address); return raw != nil })
		if r, err := ocsp.ParseResponse(raw, a.certificate); err != nil || r.Status != ocsp.Good {
			t.Errorf("stapled is %v, %v", r, err)
		}
	}
	if n := a.asked.Load(); n != 1 {
		t.Errorf("the authority was asked %d times", n)
	}
}
