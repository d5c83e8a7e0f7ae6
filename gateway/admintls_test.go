package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates for tests.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

var serials = int64(1)

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.key = newKey(t)
	a.cert, a.pem = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, a.key)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sign(c *x509.Certificate, key *ecdsa.PrivateKey) (*x509.Certificate, []byte) {
	a.t.Helper()
	serials++
	c.SerialNumber = big.NewInt(serials)
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent := a.cert
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return parsed, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// issue makes a certificate for a name and loopback, and its key, in PEM.
func (a *authority) issue(name string) (cert, key []byte) {
	a.t.Helper()
	k := newKey(a.t)
	_, cert = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
	}, k)
	der, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
}

// client trusts the authority and has a certificate of issuer's, if it is not nil.
func (a *authority) client(issuer *authority, name string, max uint16) *http.Client {
	a.t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.pem)
	config := &tls.Config{RootCAs: roots, MaxVersion: max, MinVersion: tls.VersionTLS10}
	if issuer != nil {
		pair, err := tls.X509KeyPair(issuer.issue(name))
		if err != nil {
			a.t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	a.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

func put(t *testing.T, path string, b []byte) string {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ask returns an answer's status and text, 0 and the error where there is none.
func ask(t *testing.T, c *http.Client, method, url, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(text)
}

func TestClientCertificates(t *testing.T) {
	dir := t.TempDir()
	ours, others := newAuthority(t), newAuthority(t)
	cert, key := ours.issue("gateway")
	files := []string{put(t, dir+"/cert", cert), put(t, dir+"/key", key), put(t, dir+"/ca", ours.pem)}
	b := boot(t, "--admin-tls-cert="+files[0], "--admin-tls-key="+files[1], "--admin-tls-client-ca="+files[2])
	base := strings.Replace(b.admin, "http://", "https://", 1)
	ann := ours.client(ours, "ann", 0)
	if code, text := ask(t, ann, "POST", base+"/services", "name=a&host=h", "X-Gatelab-Actor", "mallory"); code != 201 {
		t.Fatalf("with a certificate: %d %s", code, text)
	}
	if _, text := ask(t, ann, "GET", base+"/revisions", ""); !strings.Contains(text, `"actor":"ann"`) {
		t.Errorf("the actor is not the certificate's name: %s", text)
	}
	for about, c := range map[string]*http.Client{
		"without a certificate": ours.client(nil, "", 0), "with another authority's": ours.client(others, "ann", 0),
		"TLS 1.1": ours.client(ours, "ann", tls.VersionTLS11),
	} {
		if code, text := ask(t, c, "GET", base+"/services", ""); code != 0 {
			t.Errorf("%s: %d %s", about, code, text)
		}
	}
	// The guard applies over TLS too, and plain HTTP on this port gets an error that says so.
	if code, _ := ask(t, ann, "POST", base+"/services", "name=b&host=h", "Origin", strings.Replace(base, "https", "http", 1)); code != 403 {
		t.Errorf("a page without TLS: %d", code)
	}
	if r := raw(t, b.admin, request("GET /services", "127.0.0.1", "")); r.StatusCode != 400 {
		t.Errorf("without TLS: %d %s", r.StatusCode, r.text)
	}

	put(t, files[2], others.pem)
	bob := ours.client(others, "bob", 0)
	b.eventually("the new authority is taken", func() bool {
		code, _ := ask(t, bob, "GET", base+"/services", "")
		return code == 200
	})
	if code, text := ask(t, ann, "GET", base+"/services", ""); code != 0 {
		t.Errorf("a certificate of the authority before: %d %s", code, text)
	}
	put(t, files[0], []byte("broken"))
	b.eventually("what is wrong is logged", func() bool {
		code, _ := ask(t, bob, "GET", base+"/services", "")
		return code == 200 && strings.Contains(b.log.String(), "keeping the previous ones")
	})
}

// A token's name goes before a certificate's, and is needed where both are set.
func TestCertificateAndToken(t *testing.T) {
	dir, ours := t.TempDir(), newAuthority(t)
	cert, key := ours.issue("gateway")
	file, tokens := tokensFile(t, "deck read-only")
	b := boot(t, "--admin-tls-cert="+put(t, dir+"/cert", cert), "--admin-tls-key="+put(t, dir+"/key", key),
		"--admin-tls-client-ca="+put(t, dir+"/ca", ours.pem), "--admin-tokens-file="+file)
	base, c := strings.Replace(b.admin, "http://", "https://", 1), ours.client(ours, "ann", 0)
	if code, _ := ask(t, c, "GET", base+"/services", ""); code != 401 {
		t.Errorf("without a token: %d", code)
	}
	if code, _ := ask(t, c, "GET", base+"/services", "", "Kong-Admin-Token", tokens["deck"]); code != 200 {
		t.Errorf("with a token: %d", code)
	}
	if code, _ := ask(t, c, "POST", base+"/services", "", "Kong-Admin-Token", tokens["deck"]); code != 403 {
		t.Errorf("a change with a read-only token: %d", code)
	}
}

func TestAdminTLSSettings(t *testing.T) {
	dir, ours := t.TempDir(), newAuthority(t)
	cert, key := ours.issue("gateway")
	_, foreign := ours.issue("other")
	files := map[string]string{}
	for name, b := range map[string][]byte{"cert": cert, "key": key, "ca": ours.pem, "foreign": foreign, "text": []byte("hunter2")} {
		files[name] = put(t, filepath.Join(dir, name), b)
	}
	for _, tt := range []struct{ cert, key, ca, want string }{
		{cert: "cert", want: "want both or neither"},
		{key: "key", want: "want both or neither"},
		{ca: "ca", want: "want admin_tls_cert and admin_tls_key as well"},
		{cert: "cert", key: "foreign", want: "admin_tls_key="},
		{cert: "text", key: "key", want: "admin_tls_cert="},
		{cert: "cert", key: "key", ca: "text", want: "want at least one certificate in PEM"},
	} {
		args := []string{"--proxy-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--status-listen=127.0.0.1:0"}
		for flag, name := range map[string]string{"--admin-tls-cert=": tt.cert, "--admin-tls-key=": tt.key, "--admin-tls-client-ca=": tt.ca} {
			if name != "" {
				args = append(args, flag+files[name])
			}
		}
		s, err := load(args, nil)
		if err == nil {
			_, err = newProgram(s, slog.New(slog.DiscardHandler), nil)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}
