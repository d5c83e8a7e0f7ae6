package proxy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// authority signs certificates of clients.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{key: newKey(t)}
	a.cert = sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, a.key, a.key)
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

// sign makes a certificate; without a parent it signs itself.
func sign(t *testing.T, c, parent *x509.Certificate, key, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	c.SerialNumber, c.NotBefore = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour)
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(time.Hour)
	}
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	out, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (a *authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

// client makes a client's certificate.
func (a *authority) client(t *testing.T, name string, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	c := &x509.Certificate{
		Subject: pkix.Name{CommonName: name, Organization: []string{"Clients, Ltd."}}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(c)
	}
	key := newKey(t)
	return tls.Certificate{Certificate: [][]byte{sign(t, c, a.cert, key, a.key).Raw}, PrivateKey: key}
}

// showing is a client of a gateway that shows a certificate, if it is asked for one.
func showing(t *testing.T, address string, cert *tls.Certificate, http2 bool) (client *http.Client, asked func() bool) {
	t.Helper()
	wanted := false
	transport := &http.Transport{
		ForceAttemptHTTP2: http2,
		TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, //nolint:gosec // the test's own
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				wanted = true
				if cert == nil {
					return &tls.Certificate{}, nil
				}
				return cert, nil
			},
		},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}, func() bool { return wanted }
}

// whose asks for a URL, and returns the status, and what the origin says or the gateway's message.
func whose(t *testing.T, c *http.Client, url string, header ...string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(res.StatusCode, " ", string(body))
}

const (
	noCertificate    = `401 {"message":"No required TLS certificate was sent"}`
	wrongCertificate = `401 {"message":"TLS certificate failed verification"}`
	authorityID      = "6ad3e2a5-0f4b-4d56-9a0f-5d1e8f1f7a52"
)

// startSecured starts a gateway whose route "secure" asks for certificates of an authority,
// beside the route "open". The origin says who it was told.
func startSecured(t *testing.T, a *authority, with map[string]any) (address string, g *gateway) {
	t.Helper()
	origin := server(t, func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"X-Consumer-Username", "X-Client-Cert-Dn", "X-Client-Cert-San"} {
			fmt.Fprint(w, r.Header.Get(name), "|")
		}
		fmt.Fprint(w, r.Header.Get("X-Anonymous-Consumer"))
	})
	g = start(t, Config{}, 4)
	c := config(origin.URL, entity.Route{Hosts: []string{"secure.example.com"}})
	open := new(*c.Routes[0])
	open.ID, open.Name = "r-open", "open"
	open.Hosts = []string{"open.example.com"}
	c.Routes = append(c.Routes, open)
	c.CACertificates = []entity.CACertificate{{ID: authorityID, Cert: a.pem()}}
	c.Consumers = append(c.Consumers, entity.Consumer{ID: "u-alice", Username: "alice"}, entity.Consumer{ID: "u-guest", Username: "guest"},
		entity.Consumer{ID: "u-bob", CustomID: "bob@example.com", Username: "robert"})
	all := map[string]any{"ca_certificates": []any{authorityID}, "consumer_by": []any{"username", "custom_id"}}
	for k, v := range with {
		all[k] = v
	}
	c.Plugins = append(c.Plugins, entity.Plugin{
		ID: "mtls", Name: "mtls-auth", Enabled: true, Route: &entity.Ref{ID: c.Routes[0].ID}, Config: all,
	})
	g.apply(t, c)
	return g.listen(t, Protocols{TLS: true, HTTP2: true}), g
}

func TestAConsumerIsKnownByItsCertificate(t *testing.T) {
	a, other := newAuthority(t, "clients"), newAuthority(t, "clients")
	address, _ := startSecured(t, a, nil)
	between := &authority{key: newKey(t)}
	between.cert = sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "between"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, a.cert, between.key, a.key)
	chained := between.client(t, "alice", nil)
	withChain := chained
	withChain.Certificate = append(withChain.Certificate[:1:1], between.cert.Raw)
	for _, one := range []struct {
		why  string
		cert tls.Certificate
		want string
	}{
		{"common name", a.client(t, "alice", nil), "200 alice|||"},
		{"email, custom id", a.client(t, "nobody", func(c *x509.Certificate) {
			c.EmailAddresses = []string{"bob@example.com"}
		}), "200 robert|||"},
		{"an alternative name goes first", a.client(t, "alice", func(c *x509.Certificate) { c.DNSNames = []string{"robert"} }), "200 robert|||"},
		{"nobody's name", a.client(t, "mallory", nil), wrongCertificate},
		{"a consumer's id", a.client(t, "u-alice", nil), wrongCertificate},
		{"another authority of the same name", other.client(t, "alice", nil), wrongCertificate},
		{"expired", a.client(t, "alice", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), wrongCertificate},
		{"a server's", a.client(t, "alice", func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}), wrongCertificate},
		{"by an intermediate that is not sent", chained, wrongCertificate},
		{"by an intermediate that is sent", withChain, "200 alice|||"},
	} {
		for _, http2 := range []bool{false, true} {
			client, _ := showing(t, address, &one.cert, http2)
			for range 2 { // the second over the same connection
				if got := whose(t, client, "https://secure.example.com/"); got != one.want {
					t.Errorf("%s, HTTP/2 %v: %s, want %s", one.why, http2, got, one.want)
				}
			}
		}
	}
}

func TestOnlyHandshakesOfItsRoutesAskForACertificate(t *testing.T) {
	a := newAuthority(t, "clients")
	address, g := startSecured(t, a, nil)
	alice := a.client(t, "alice", nil)
	client, asked := showing(t, address, &alice, false)
	if got := whose(t, client, "https://open.example.com/"); got != "200 |||" || asked() {
		t.Errorf("the open route: %s, asked for a certificate: %v", got, asked())
	}
	client, _ = showing(t, address, nil, false)
	got := whose(t, client, "https://secure.example.com/", "X-Consumer-Username", "alice", "X-Client-Cert-Dn", "CN=alice")
	if got != noCertificate {
		t.Errorf("no certificate: %s", got)
	}
	// A connection for another name does not get in by its Host.
	config := func(c *tls.Config) { c.ServerName, c.Certificates = "open.example.com", []tls.Certificate{alice} }
	answer := rawAnswer(t, dialTLS(t, address, config), "GET / HTTP/1.1\r\nHost: secure.example.com\r\n\r\n")
	if !strings.Contains(answer, "401 Unauthorized") || !strings.Contains(answer, "Connection: close") {
		t.Errorf("by Host over another name's connection: %s", answer)
	}
	if got := g.say(t, "GET / HTTP/1.1\r\nHost: secure.example.com\r\nConnection: close\r\n\r\n"); !strings.Contains(got, "401 Unauthorized") {
		t.Errorf("without TLS: %s", got)
	}
}

// rawAnswer sends a request and reads to the end of the connection.
func rawAnswer(t *testing.T, c net.Conn, request string) string {
	t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestCertificatesWithoutConsumers(t *testing.T) {
	a := newAuthority(t, "clients")
	address, _ := startSecured(t, a, map[string]any{"skip_consumer_lookup": true})
	cert := a.client(t, "mallory", func(c *x509.Certificate) { c.DNSNames = []string{"m.example.com"} })
	client, _ := showing(t, address, &cert, false)
	got := whose(t, client, "https://secure.example.com/", "X-Client-Cert-San", "alice")
	if got != `200 |CN=mallory,O=Clients\, Ltd.|m.example.com,mallory|` {
		t.Errorf("the origin was told %s", got)
	}
}

// TestCertificatesNameGroups for acl, of clients that are no consumers.
func TestCertificatesNameGroups(t *testing.T) {
	a := newAuthority(t, "clients")
	for by, groups := range map[string][]any{"CN": {"staff"}, "DN": {`CN=staff,O=Clients\, Ltd.`}} {
		t.Run(by, func(t *testing.T) {
			address, g := startSecured(t, a, map[string]any{"skip_consumer_lookup": true, "authenticated_group_by": by})
			c := *g.snapshot.Load().source
			c.Revision++
			c.Plugins = append(slices.Clone(c.Plugins), entity.Plugin{
				ID: "acl", Name: "acl", Enabled: true, Route: &entity.Ref{ID: c.Routes[0].ID}, Config: map[string]any{"allow": groups},
			})
			g.apply(t, &c)
			for name, want := range map[string]string{
				"staff":   `200 |CN=staff,O=Clients\, Ltd.|staff|`,
				"mallory": `403 {"message":"You cannot consume this service"}`,
			} {
				cert := a.client(t, name, nil)
				client, _ := showing(t, address, &cert, false)
				if got := whose(t, client, "https://secure.example.com/"); got != want {
					t.Errorf("%q: %s, want %s", name, got, want)
				}
			}
			client, _ := showing(t, address, nil, false)
			if got := whose(t, client, "https://secure.example.com/", "X-Authenticated-Groups", "staff"); got != noCertificate {
				t.Errorf("no certificate: %s", got)
			}
		})
	}
}

func TestACertificateThatNoConsumerMatches(t *testing.T) {
	a := newAuthority(t, "clients")
	for name, want := range map[string]string{"guest": "200 guest|||", "u-guest": "200 guest|||", "nobody": wrongCertificate} {
		t.Run(name, func(t *testing.T) {
			address, _ := startSecured(t, a, map[string]any{"default_consumer": name})
			mallory, alice := a.client(t, "mallory", nil), a.client(t, "alice", nil)
			stranger := newAuthority(t, "others").client(t, "mallory", nil)
			for _, c := range []struct {
				shown *tls.Certificate
				want  string
			}{{&mallory, want}, {&alice, "200 alice|||"}, {&stranger, wrongCertificate}, {nil, noCertificate}} {
				client, _ := showing(t, address, c.shown, false)
				if got := whose(t, client, "https://secure.example.com/"); got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			}
		})
	}
}

func TestAnonymousWithoutACertificate(t *testing.T) {
	address, _ := startSecured(t, newAuthority(t, "clients"), map[string]any{"anonymous": "guest"})
	client, _ := showing(t, address, nil, true)
	if got := whose(t, client, "https://secure.example.com/"); got != "200 guest|||true" {
		t.Errorf("the origin was told %s", got)
	}
}

func TestAnAuthorityThatIsTakenAwaySignsNothing(t *testing.T) {
	a := newAuthority(t, "clients")
	address, g := startSecured(t, a, nil)
	alice := a.client(t, "alice", nil)
	client, _ := showing(t, address, &alice, false)
	if got := whose(t, client, "https://secure.example.com/"); got != "200 alice|||" {
		t.Fatal(got)
	}
	c := *g.snapshot.Load().source
	c.Revision++
	c.CACertificates = []entity.CACertificate{{ID: authorityID, Cert: newAuthority(t, "clients").pem()}}
	g.apply(t, &c)
	if got := whose(t, client, "https://secure.example.com/"); got != wrongCertificate {
		t.Errorf("over the connection from before: %s", got)
	}
}

func TestAResumedSessionIsItsClients(t *testing.T) {
	a := newAuthority(t, "clients")
	address, _ := startSecured(t, a, nil)
	alice := a.client(t, "alice", nil)
	sessions := tls.NewLRUClientSessionCache(1)
	for i := range 3 {
		c := dialTLS(t, address, func(c *tls.Config) {
			c.ServerName, c.ClientSessionCache = "secure.example.com", sessions
			c.Certificates = []tls.Certificate{alice}
		})
		answer := rawAnswer(t, c, "GET / HTTP/1.1\r\nHost: secure.example.com\r\nConnection: close\r\n\r\n")
		if !strings.HasSuffix(answer, "alice|||") || c.ConnectionState().DidResume != (i > 0) {
			t.Errorf("connection %d, resumed %v: %s", i+1, c.ConnectionState().DidResume, answer)
		}
	}
}
