package proxy

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// listen opens a further listener of a gateway, and returns its address.
func (g *gateway) listen(t *testing.T, p Protocols) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	began := make(chan struct{})
	go func() {
		close(began)
		if err := g.server.ServeProtocols(ln, p); err != nil {
			t.Error(err)
		}
	}()
	<-began
	return ln.Addr().String()
}

// certificate makes a certificate entity whose common name is name.
func certificate(t *testing.T, id, name string) entity.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
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
	return entity.Certificate{ID: id, Cert: text("CERTIFICATE", der), Key: text("PRIVATE KEY", private)}
}

func withNames(c *entity.Config, id string, names ...string) {
	for _, name := range names {
		c.SNIs = append(c.SNIs, entity.SNI{Name: name, Certificate: entity.Ref{ID: id}})
	}
}

// dialTLS connects a client, whose every wait ends.
func dialTLS(t *testing.T, address string, change func(*tls.Config)) *tls.Conn {
	t.Helper()
	config := &tls.Config{InsecureSkipVerify: true, ServerName: "example.com"} //nolint:gosec // the test's own
	if change != nil {
		change(config)
	}
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", address, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

func commonName(c *tls.Conn) string {
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestCertificatesAreChosenByName(t *testing.T) {
	g := start(t, Config{}, 4)
	address := g.listen(t, Protocols{TLS: true})
	named := func(name string) func(*tls.Config) { return func(c *tls.Config) { c.ServerName = name } }
	if got := commonName(dialTLS(t, address, named("a.example.com"))); got != "localhost" {
		t.Errorf("without a configuration: presented %s, want the self-signed one", got)
	}
	c := config("http://127.0.0.1:1", entity.Route{Paths: []string{"/"}})
	for id, names := range map[string][]string{"exact": {"a.example.com"}, "prefix": {"*.example.com"}, "suffix": {"a.*", "example.*"}} {
		c.Certificates = append(c.Certificates, certificate(t, id, id))
		withNames(c, id, names...)
	}
	g.apply(t, c)
	for _, withDefault := range []bool{false, true} {
		other := "localhost"
		if withDefault {
			d := *c
			d.Revision++
			d.Certificates = append(d.Certificates, certificate(t, "default", "default"))
			withNames(&d, "default", "*")
			g.apply(t, &d)
			other = "default"
		}
		for name, want := range map[string]string{
			"a.example.com": "exact", "A.Example.COM": "exact", "b.example.com": "prefix", "a.org": "suffix", "example.org": "suffix",
			"x.y.example.com": other, "elsewhere.net": other, "127.0.0.1": other, // an address is no name: none is sent
		} {
			if got := commonName(dialTLS(t, address, named(name))); got != want {
				t.Errorf("%s: presented %s, want %s", name, got, want)
			}
		}
	}
}

func TestACertificateIsExchangedUnderOpenConnections(t *testing.T) {
	origin := server(t, func(http.ResponseWriter, *http.Request) {})
	g := start(t, Config{}, 4)
	address := g.listen(t, Protocols{TLS: true})
	c := config(origin.URL, entity.Route{Paths: []string{"/"}})
	c.Certificates = []entity.Certificate{certificate(t, "c", "first")}
	withNames(c, "c", "example.com")
	g.apply(t, c)
	client := dialTLS(t, address, nil)
	br := bufio.NewReader(client)
	for i := range 3 {
		d := *c
		d.Revision += int64(i + 1)
		d.Certificates = []entity.Certificate{certificate(t, "c", fmt.Sprint("next ", i))}
		g.apply(t, &d)
		if got := commonName(dialTLS(t, address, nil)); got != fmt.Sprint("next ", i) {
			t.Errorf("a new connection is presented %s", got)
		}
		if res := ask(t, client, br, oneRequest); res.StatusCode != 200 {
			t.Errorf("the old connection is answered %d", res.StatusCode)
		}
	}
	bad := *c
	bad.Revision = 100
	bad.Certificates = []entity.Certificate{{ID: "c", Cert: c.Certificates[0].Cert, Key: certificate(t, "d", "d").Key}}
	if err := g.Apply(&bad); err == nil || !strings.Contains(err.Error(), "sni example.com") {
		t.Errorf("a key of another certificate: %v", err)
	}
	if got := commonName(dialTLS(t, address, nil)); got != "next 2" {
		t.Errorf("after a refused revision: %s", got)
	}
}

func TestRoutesSeeTLS(t *testing.T) {
	var seen http.Header
	origin := server(t, func(_ http.ResponseWriter, r *http.Request) { seen = r.Header })
	g := start(t, Config{AccessLog: LogAll}, 4)
	address := g.listen(t, Protocols{TLS: true})
	c := config(origin.URL, entity.Route{Paths: []string{"/"}, HTTPSRedirectStatusCode: 301})
	c.Routes[0].Protocols = []string{"https"}
	byName := new(*c.Routes[0])
	byName.ID, byName.Name = "r2", "named"
	byName.SNIs, byName.Paths = []string{"named.example.com"}, []string{"/named"}
	c.Routes = append(c.Routes, byName)
	g.apply(t, c)
	for i, r := range []struct {
		name, sni, request, want string
	}{
		{name: "https alone", request: oneRequest, want: "200"},
		{name: "a route of another name", request: "GET /named HTTP/1.1\r\nHost: x\r\n\r\n", want: "200"},
		{name: "a route of this name", sni: "named.example.com", request: "GET /named HTTP/1.1\r\nHost: x\r\n\r\n", want: "200 named"},
	} {
		client := dialTLS(t, address, func(c *tls.Config) {
			if r.sni != "" {
				c.ServerName = r.sni
			}
		})
		res := ask(t, client, bufio.NewReader(client), r.request)
		var line struct{ Route, TLS string }
		await(t, "logged", func() bool { return strings.Count(g.log.String(), `"status"`) == i+1 })
		lines := strings.Split(strings.TrimSpace(g.log.String()), "\n")
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &line); err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(res.StatusCode)
		if line.Route == "named" {
			got += " named"
		}
		if got != r.want || line.TLS != "1.3" {
			t.Errorf("%s: %s, want %s; the log says %+v", r.name, got, r.want, line)
		}
	}
	_, port, _ := net.SplitHostPort(address)
	if seen.Get("X-Forwarded-Proto") != "https" || seen.Get("X-Forwarded-Port") != port {
		t.Errorf("the upstream is told %v, want port %s", seen, port)
	}
	client := g.dial(t)
	if res := ask(t, client, bufio.NewReader(client), oneRequest); res.StatusCode != 301 || res.Header.Get("Location") != "https://x/" {
		t.Errorf("without TLS: %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
}

func TestVersionsAndCiphers(t *testing.T) {
	const cipher = tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	for _, c := range []struct {
		name     string
		server   TLSConfig
		min, max uint16
		ciphers  []uint16
		want     string // version; empty: refused
	}{
		{name: "1.3 by default", want: "1.3"},
		{name: "1.2 as well", max: tls.VersionTLS12, want: "1.2"},
		{name: "1.1 never", min: tls.VersionTLS10, max: tls.VersionTLS11},
		{name: "1.1 never, though asked for", server: TLSConfig{Min: tls.VersionTLS10}, min: tls.VersionTLS10, max: tls.VersionTLS11},
		{name: "1.3 only", server: TLSConfig{Min: tls.VersionTLS13}, max: tls.VersionTLS12},
		{name: "1.2 only", server: TLSConfig{Max: tls.VersionTLS12}, want: "1.2"},
		{name: "no CBC by default", max: tls.VersionTLS12,
			ciphers: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256}},
		{name: "a cipher that is not in the list", server: TLSConfig{Ciphers: []uint16{cipher}}, max: tls.VersionTLS12,
			ciphers: []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}},
		{name: "a cipher of the list", server: TLSConfig{Ciphers: []uint16{cipher}}, max: tls.VersionTLS12, want: "1.2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := startServer(t, Config{}, limits(func(s *ServerConfig) { s.TLS = c.server }), 4)
			client, err := tls.Dial("tcp", g.listen(t, Protocols{TLS: true}), &tls.Config{
				InsecureSkipVerify: true, MinVersion: c.min, MaxVersion: c.max, CipherSuites: c.ciphers}) //nolint:gosec // old ones are refused
			got := ""
			if err == nil {
				got = tlsVersion(client.ConnectionState().Version)
				client.Close()
			}
			if got != c.want {
				t.Errorf("got version %q, %v, want %q", got, err, c.want)
			}
			failed := g.clients.metrics.tls.failures.WithLabelValues(handshakeOther)
			await(t, "counted", func() bool { return (testutil.ToFloat64(failed) == 1) == (c.want == "") })
		})
	}
}

func TestSessionsAreResumedByReplicasThatShareASeed(t *testing.T) {
	for _, c := range []struct {
		name          string
		first, second TLSConfig
		want          bool
	}{
		{name: "the same seed", first: TLSConfig{TicketSeed: []byte("seed")}, second: TLSConfig{TicketSeed: []byte("seed")}, want: true},
		{name: "another seed", first: TLSConfig{TicketSeed: []byte("seed")}, second: TLSConfig{TicketSeed: []byte("other")}},
		{name: "none", first: TLSConfig{}, second: TLSConfig{}},
		{name: "no tickets", first: TLSConfig{TicketSeed: []byte("seed"), NoTickets: true}, second: TLSConfig{TicketSeed: []byte("seed")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			origin := server(t, func(http.ResponseWriter, *http.Request) {})
			sessions := tls.NewLRUClientSessionCache(1)
			resumed := false
			for i, s := range []TLSConfig{c.first, c.second} {
				t.Run(fmt.Sprint("replica ", i+1), func(t *testing.T) {
					g := startServer(t, Config{}, limits(func(c *ServerConfig) { c.TLS = s }), 4)
					g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}))
					client := dialTLS(t, g.listen(t, Protocols{TLS: true}), func(c *tls.Config) { c.ClientSessionCache = sessions })
					ask(t, client, bufio.NewReader(client), oneRequest) // with its answer comes the ticket
					resumed = client.ConnectionState().DidResume
					count(t, g.clients.metrics.tls.handshakes.WithLabelValues("1.3", fmt.Sprint(resumed)), 1)
				})
			}
			if resumed != c.want {
				t.Errorf("resumed: %v, want %v", resumed, c.want)
			}
		})
	}
}

func TestTicketKeysOverlap(t *testing.T) {
	now, _ := ticketKeys([]byte("seed"), 7)
	next, _ := ticketKeys([]byte("seed"), 8)
	if now[0] != next[1] || now[2] != next[0] || now[0] == next[0] {
		t.Error("a session does not outlive a change of keys")
	}
}
