package parity

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/policy"
)

func policies(t *testing.T) map[string]*policy.Policy {
	t.Helper()
	set, err := policy.Read("../../../scenarios/compare.yaml")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*policy.Policy{}
	for i := range set.Policies {
		out[set.Policies[i].Name] = &set.Policies[i]
	}
	return out
}

// TestAnHonestGatewayPasses is the control: without it the sabotage would prove nothing.
func TestAnHonestGatewayPasses(t *testing.T) {
	for name, p := range policies(t) {
		t.Run(name, func(t *testing.T) {
			addr := startOrigin(t)
			var answers [2]*Answers
			for i := range answers {
				g := &gateway{policy: p, origin: addr}
				answers[i] = mustAsk(t, g)
				for _, failure := range answers[i].Failures {
					t.Error(failure)
				}
				if i := slices.IndexFunc(g.targets, func(target string) bool { return !strings.HasPrefix(target, "/") }); i >= 0 {
					t.Errorf("the request's target is %q, want origin form", g.targets[i])
				}
			}
			for _, d := range Differences(p, answers[0], answers[1]) {
				t.Error(d)
			}
		})
	}
}

// TestEveryMisbehaviourIsFound spoils one part of a gateway at a time: the probes must fail, and for the reason that the part was spoiled.
func TestEveryMisbehaviourIsFound(t *testing.T) {
	all := policies(t)
	for _, row := range misbehaviours() {
		t.Run(row.name, func(t *testing.T) {
			p := all[row.policy]
			if p == nil {
				t.Fatalf("there is no policy %q", row.policy)
			}
			g := &gateway{policy: p}
			row.spoil(g)
			found := mustAsk(t, g).Failures
			if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, row.found) }) {
				t.Errorf("found %q, want something with %q", found, row.found)
			}
		})
	}
}

type misbehaviour struct {
	name, policy string
	spoil        func(g *gateway)
	found        string
}

func misbehaviours() []misbehaviour {
	return slices.Concat(inCaches(), inLimits(), inAuth(), inMessages(), inProtocols(), inTunnels())
}

func inCaches() []misbehaviour {
	return []misbehaviour{
		{"a cache ignores Vary", "cached", func(g *gateway) { g.noVary = true }, "another language: 0 requests reached the origin, want 1"},
		{"a cache gives another client's answer", "cached", func(g *gateway) { g.noVary = true },
			`another language: the body is that of "one language"`},
		{"a cache keeps nothing", "cached", func(g *gateway) { g.policy = without(g.policy) },
			"the second is a hit: 1 requests reached the origin, want 0"},
		{"a cache keeps the answer to a POST", "cached", func(g *gateway) { g.anything = true },
			"a POST is not cached: 1 requests reached the origin, want 2"},
	}
}

// without is a policy whose gateway has no cache.
func without(p *policy.Policy) *policy.Policy {
	its := *p
	its.Cache = nil
	return &its
}

func inLimits() []misbehaviour {
	return []misbehaviour{
		{"a limit of 99", "limit-service", func(g *gateway) { g.spare = -1 }, "99 of 130 requests had status 200, want 100 to 104"},
		{"a limit of 105", "limit-service", func(g *gateway) { g.spare = 5 }, "105 of 130 requests had status 200, want 100 to 104"},
		{"no limit", "limit-service", func(g *gateway) { g.spare = 1000 }, "130 of 130 requests had status 200, want 100 to 104"},
		{"a limit of 99 for an address", "limit-address", func(g *gateway) { g.spare = -1 },
			"99 of 130 requests had status 200, want 100 to 104"},
		{"one limit for all addresses", "limit-address", func(g *gateway) { g.together = true },
			"another address has a limit of its own: status 429"},
		{"one limit for 100 addresses", "limit-addresses-100", func(g *gateway) { g.together = true },
			"100 others: 0 of 200 requests had status 200, want 200"},
		{"a table of 200 addresses", "limit-addresses-50000", func(g *gateway) { g.forgets = 200 },
			"the one is not forgotten: 50 of 50 requests had status 200, want 0 to 20"},
		{"refused with 503", "limit-service", func(g *gateway) {
			g.toClient = func(a *reply) {
				if a.status == http.StatusTooManyRequests {
					a.status = http.StatusServiceUnavailable
				}
			}
		}, "30 requests had neither status 200 nor 429"},
	}
}

func inAuth() []misbehaviour {
	always := func(g *gateway) { g.lets = func(*http.Request) bool { return true } }
	return []misbehaviour{
		{"any key", "key-auth", func(g *gateway) { g.lets = func(r *http.Request) bool { return r.Header.Get("apikey") != "" } },
			"a wrong key: status 200"},
		{"no key", "key-auth", always, "no key: status 200"},
		{"the origin is asked before a key is refused", "key-auth", func(g *gateway) { g.late = true },
			"refused before the origin: 5 requests reached"},
		{"refused with 403", "key-auth", func(g *gateway) {
			g.toClient = func(a *reply) {
				if a.status == http.StatusUnauthorized {
					a.status = http.StatusForbidden
				}
			}
		}, "no key: status 403"},
		{"any password", "basic-auth", func(g *gateway) {
			g.lets = func(r *http.Request) bool { _, _, ok := r.BasicAuth(); return ok }
		}, "a wrong password: status 200"},
		{"a token that has expired", "jwt", func(g *gateway) {
			g.lets = func(r *http.Request) bool { return bearer(r).signed(g.policy.Auth.Secret) }
		}, "an expired token: status 200"},
		{"a token of another signer", "jwt", func(g *gateway) {
			g.lets = func(r *http.Request) bool { return bearer(r).alg == "HS256" }
		}, "signed with another secret: status 200"},
		{"a token without signature", "jwt", func(g *gateway) {
			g.lets = func(r *http.Request) bool { return bearer(r).alg == "none" }
		}, "not signed: status 200"},
	}
}

func inMessages() []misbehaviour {
	return []misbehaviour{
		{"no header towards the origin", "request-headers", func(g *gateway) {
			g.toOrigin = func(r *http.Request) { r.Header.Del("X-Bench-In") }
		}, `the origin saw header X-Bench-In: "", want "1"`},
		{"a client's value beside the gateway's", "request-headers", func(g *gateway) {
			g.toOrigin = func(r *http.Request) { r.Header.Add("X-Bench-In", "2") }
		}, `the origin saw header X-Bench-In: "1, 2", want "1"`},
		{"a header that stays, towards the origin", "request-headers", func(g *gateway) {
			g.toOrigin = func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.9") }
		}, "the origin saw header X-Forwarded-For"},
		{"no header towards the client", "response-headers", func(g *gateway) {
			g.toClient = func(a *reply) { a.header.Del("X-Bench-Out") }
		}, `header X-Bench-Out is "", want "1"`},
		{"a header that stays, towards the client", "response-headers", func(g *gateway) {
			g.toClient = func(a *reply) { a.header.Set("Etag", `"x"`) }
		}, "header Etag is there"},
		{"a clean path", "plain", func(g *gateway) {
			g.toOrigin = func(r *http.Request) { r.URL.Opaque = strings.ReplaceAll(r.URL.Opaque, "%20", "+") }
		}, "the origin saw path"},
		{"no query", "plain", func(g *gateway) {
			g.toOrigin = func(r *http.Request) { r.URL.Opaque, _, _ = strings.Cut(r.URL.Opaque, "?") }
		}, "the origin saw path"},
		{"a body that is not rewritten, towards the origin", "request-body", func(g *gateway) {
			its := *g.policy
			its.RequestBody, g.policy = nil, &its
		}, "the body that the origin saw: field secret is there"},
		{"a body that is not rewritten, towards the client", "response-body", func(g *gateway) {
			g.toClient = func(a *reply) { a.body = bytes.Replace(a.body, []byte(`"injected"`), []byte(`"-"`), 1) }
		}, "the body's field bench is -, want injected"},
		{"an error of its own", "plain", func(g *gateway) {
			g.toClient = func(a *reply) { a.status = http.StatusBadGateway }
		}, "a document: status 502"},
	}
}

func inProtocols() []misbehaviour {
	return []misbehaviour{
		{"HTTP/1.1 for HTTP/2", "http2", func(g *gateway) { g.secure = &tls.Config{NextProtos: []string{"http/1.1"}} },
			"a document: the answer came over HTTP/1.1, want HTTP/2.0"},
		{"any path has a route", "routes-10", func(g *gateway) { g.open = true }, "one more: status 200 (1 of 1), want 404"},
		{"the last of 10,000 routes is missing", "routes-10000", func(g *gateway) { g.fewer = 1 }, "the last: status 404 (1 of 1), want 200"},
		{"a parameter is more than a segment", "routes-github", func(g *gateway) {
			g.routes = []*regexp.Regexp{regexp.MustCompile("^/v1/any/(rate_limit|repos/.*|users/.*)$")}
		}, "a parameter is a segment: status 200"},
		{"one origin of two", "origin-killed", func(g *gateway) { g.lopsided = true }, "of 40 requests the origins got [40 0]"},
		{"the origin is told of no TLS", "tls", func(g *gateway) {
			g.toOrigin = func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "http") }
		}, `the origin saw header X-Forwarded-Proto: "http", want "https"`},
		{"a stream that is held back", "event-stream", func(g *gateway) { g.holds = true },
			"want 100ms or more: it does not come as the origin sends it"},
	}
}

// TestAnArmWithoutTheTLSOfThePolicyIsAnError is what cannot be asked: a client that wants TLS 1.3 and the lab's certificate.
func TestAnArmWithoutTheTLSOfThePolicyIsAnError(t *testing.T) {
	certificate, err := tls.X509KeyPair(otherCertificate(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name  string
		spoil func(*gateway)
		found string
	}{
		{"http for https", func(g *gateway) { g.plain = true }, "server gave HTTP response to HTTPS client"},
		{"TLS 1.2", func(g *gateway) { g.secure = &tls.Config{MaxVersion: tls.VersionTLS12} }, "protocol version"},
		{"another certificate", func(g *gateway) { g.secure = &tls.Config{Certificates: []tls.Certificate{certificate}} }, "certificate"},
	} {
		for _, name := range []string{"tls", "http2"} {
			t.Run(name+"/"+row.name, func(t *testing.T) {
				g := &gateway{policy: policies(t)[name]}
				row.spoil(g)
				answers, err := Ask(t.Context(), g.arm(t), g.policy)
				if err == nil || !strings.Contains(err.Error(), row.found) {
					t.Errorf("error %v, answers %v: want an error with %q", err, answers, row.found)
				}
			})
		}
	}
}

// otherCertificate is one that the probes do not know.
func otherCertificate(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"example.com"}, NotAfter: time.Now().Add(time.Hour)}
	made, err := x509.CreateCertificate(rand.Reader, of, of, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// TestEveryDifferenceIsFound spoils what no probe alone can see: where an arm's answers are not those of another arm.
func TestEveryDifferenceIsFound(t *testing.T) {
	p := policies(t)["plain"]
	addr := startOrigin(t)
	reference := mustAsk(t, &gateway{policy: p, origin: addr})
	for _, row := range []struct {
		name  string
		spoil func(a *reply)
		found string
	}{
		{"a letter of the body", func(a *reply) { a.body[len(a.body)-3] ^= 1 }, "a document: a body of"},
		{"the body's end", func(a *reply) { a.body = a.body[:len(a.body)-1] }, "1 MiB: a body of 1048575 bytes"},
		{"no Content-Type", func(a *reply) { a.header["Content-Type"] = nil }, "header Content-Type is"},
		{"no Etag", func(a *reply) { a.header.Del("Etag") }, "header Etag is"},
		{"a weak Etag", func(a *reply) { a.header.Set("Etag", "W/"+a.header.Get("Etag")) }, "header Etag is"},
		{"a Vary", func(a *reply) { a.header.Set("Vary", "Accept-Encoding") }, "header Vary is"},
		{"a Cache-Control", func(a *reply) { a.header.Set("Cache-Control", "no-store") }, "header Cache-Control is"},
	} {
		t.Run(row.name, func(t *testing.T) {
			spoiled := mustAsk(t, &gateway{policy: p, origin: addr, toClient: row.spoil})
			found := Differences(p, reference, spoiled)
			if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, row.found) }) {
				t.Errorf("found %q, want something with %q", found, row.found)
			}
		})
	}
}

// TestAnArmThatDoesNotAnswerIsAnError is what no probe can judge.
func TestAnArmThatDoesNotAnswerIsAnError(t *testing.T) {
	g := &gateway{policy: policies(t)["plain"]}
	g.toClient = func(*reply) { panic(http.ErrAbortHandler) }
	if answers, err := Ask(t.Context(), g.arm(t), g.policy); err == nil {
		t.Errorf("no error: %v", answers.Failures)
	}
}

func mustAsk(t *testing.T, g *gateway) *Answers {
	t.Helper()
	p := policies(t)[g.policy.Name] // the probes are the policy's, whatever the gateway was told
	answers, err := Ask(t.Context(), g.arm(t), p)
	if err != nil {
		t.Fatal(err)
	}
	return answers
}
