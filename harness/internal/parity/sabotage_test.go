package parity

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gatelab/harness/internal/policy"
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
	return slices.Concat(inCaches(), inLimits(), inAuth(), inMessages())
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
