package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

func TestAServiceSaysWhomItTrusts(t *testing.T) {
	origin := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			_, _ = io.WriteString(w, "known")
		}
	}))
	origin.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	origin.Config.ErrorLog = log.New(io.Discard, "", 0)
	origin.StartTLS()
	defer origin.Close()
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	pair := origin.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	from := &Source{
		CACertificates: map[string]string{"ca": text("CERTIFICATE", origin.Certificate().Raw)},
		Certificates:   map[string]*entity.Certificate{"me": {Cert: text("CERTIFICATE", pair.Certificate[0]), Key: text("PRIVATE KEY", key)}},
	}
	u, _ := url.Parse(origin.URL)
	port, _ := strconv.Atoi(u.Port())
	yes, no := true, false
	for _, c := range []struct {
		name    string
		verify  bool // the gateway's setting
		service entity.Service
		ok      bool
		body    string
	}{
		{name: "null, and the setting does not check", service: entity.Service{}, ok: true},
		{name: "null, and the setting checks", verify: true, service: entity.Service{}},
		{name: "true without its authority", service: entity.Service{TLSVerify: &yes}},
		{name: "true with its authority", service: entity.Service{TLSVerify: &yes, CACertificates: []string{"ca"}}, ok: true},
		{name: "false against the setting", verify: true, service: entity.Service{TLSVerify: &no}, ok: true},
		{name: "with a certificate of its own", service: entity.Service{ClientCertificate: &entity.Ref{ID: "me"}}, ok: true, body: "known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPools(t, Config{VerifyTLS: c.verify})
			s := c.service
			s.Protocol = "https"
			s.Host = u.Hostname()
			s.Port = port
			b, err := p.Balancer(&s, from)
			if err != nil {
				t.Fatal(err)
			}
			call := newCall(b)
			if err := p.Do(call); (err == nil) != c.ok || c.ok && string(call.Response.Body()) != c.body {
				t.Errorf("got %q %v", call.Response.Body(), err)
			}
		})
	}
	p := newPools(t, Config{})
	if _, err := p.Balancer(&entity.Service{Protocol: "https", Host: "h", TLSVerify: &yes, CACertificates: []string{"gone"}},
		from); err == nil {
		t.Error("an authority that is not there was no error")
	}
}

func TestACertificateThatIsMissingIsAnError(t *testing.T) {
	p := newPools(t, Config{})
	s := &entity.Service{Protocol: "https", Host: "h", Port: 443, ClientCertificate: &entity.Ref{ID: "gone"}}
	if _, err := p.Balancer(s, &Source{}); err == nil {
		t.Error("no error")
	}
}
