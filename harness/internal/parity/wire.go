package parity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	"github.com/gatelab/gatelab/harness/internal/policy"
)

// wire speaks to an arm as the policy's clients do: what answers otherwise is no answer, but for HTTP/1.1 in place of HTTP/2, which
// spoken judges.
func wire(a Arm, p *policy.Policy) (*http.Transport, error) {
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	out := &http.Transport{DisableCompression: true, Protocols: protocols, MaxIdleConnsPerHost: 1}
	if !p.Client.TLS() {
		return out, nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(a.Roots)) {
		return nil, errors.New("ask over TLS: there is no certificate to expect")
	}
	out.TLSClientConfig = &tls.Config{RootCAs: roots, ServerName: a.ServerName, MinVersion: tls.VersionTLS13}
	protocols.SetHTTP2(p.Client.Protocol == policy.ProtocolHTTP2)
	return out, nil
}

// spoken says whether an answer came over another protocol than the policy's.
func spoken(p *policy.Policy, a *Answer) []string {
	if want := "HTTP/2.0"; p.Client.Protocol == policy.ProtocolHTTP2 && a.Proto != want {
		return []string{fmt.Sprintf("the answer came over %s, want %s", a.Proto, want)}
	}
	return nil
}
