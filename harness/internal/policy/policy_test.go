package policy

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

const small = `
name: small
load: {rate: 100, connections: 4, open: 1s, rounds: 6}
profiles:
  smoke: {load: {rounds: 2}, policies: [b]}
policies:
  - name: a
    summary: one
    traffic: [{path: /x}]
    probes: [{name: it is there, path: /x, status: 200}]
  - name: b
    published: p01
    summary: two
    auth: {kind: jwt, issuer: me, secret: a-secret}
    traffic: [{path: /x, token: valid}]
    probes: [{name: it is there, path: /x, status: 200, token: valid}]
`

func TestCommittedPoliciesAreSound(t *testing.T) {
	s, err := Read("../../../scenarios/compare.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for profile := range s.Profiles {
		if _, err := s.Choose(profile, nil); err != nil {
			t.Errorf("profile %s: %v", profile, err)
		}
	}
	for i := range s.Policies {
		p := &s.Policies[i]
		if p.Summary == "" {
			t.Errorf("%s has no summary", p.Name)
		}
		if _, err := p.Requests(time.Now()); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}

func TestProfilesAndNamesChoosePolicies(t *testing.T) {
	s, err := Parse("small.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		profile string
		names   []string
		want    string
		rounds  int
	}{
		{profile: "full", want: "a b", rounds: 6},
		{profile: "smoke", want: "b", rounds: 2},
		{profile: "smoke", names: []string{"a"}, want: "a", rounds: 2},
		{names: []string{"p01", "a"}, want: "b a", rounds: 6},
	} {
		got, err := s.Choose(row.profile, row.names)
		if err != nil {
			t.Fatal(err)
		}
		if names := strings.Join(got.Names(), " "); names != row.want || got.Load.Rounds != row.rounds {
			t.Errorf("%s %v: %s, %d rounds", row.profile, row.names, names, got.Load.Rounds)
		}
	}
	for _, row := range []struct{ profile, name, want string }{
		{profile: "smok", want: `unknown profile "smok" (did you mean "smoke"?): want one of full, smoke`},
		{name: "c", want: `unknown policy "c": want one of a, b`},
	} {
		if _, err := s.Choose(row.profile, strings.Fields(row.name)); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("error %v, want %s", err, row.want)
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for _, row := range []struct{ from, to, want string }{
		{from: "rate: 100", to: "rate: 0", want: "small.yaml:3:14: load.rate: 0 is not allowed: want more than 0"},
		{from: "name: a\n", to: "name: A\n", want: `small.yaml:7:11: policies[0].name: "A" is not allowed`},
		{
			from: "status: 200}]\n  - name: b", to: "status: 20}]\n  - name: b",
			want: "small.yaml:10:52: policies[0] (a): probes[0] (it is there).status: 20 is not allowed",
		},
		{from: "kind: jwt", to: "kind: magic", want: `policies[1] (b): auth.kind: "magic" is not allowed: want key, basic or jwt`},
		{from: "issuer: me, ", to: "", want: "auth.issuer: is missing for kind jwt"},
		{from: "token: valid}]\n    probes", to: "token: stolen}]\n    probes", want: `traffic[0].token: "stolen" is not known`},
		{from: "summary: one", to: "about: one", want: `small.yaml:8:5: policies[0]: unknown field "about"; allowed: access_log, `},
		{from: "traffic: [{path: /x}]", to: "traffics: [{path: /x}]", want: `unknown field "traffics" (did you mean "traffic"?)`},
		{from: "rounds: 6", to: "rounds: six", want: "small.yaml:3:53: load.rounds: six is not allowed: want a whole number"},
		{from: "open: 1s", to: "open: {rate: 5}", want: "load.open: a map is not allowed: want a duration"},
		{from: "open: 1s", to: "open: 1", want: "load.open: 1 is not allowed: want a duration"},
		{from: "traffic: [{path: /x}]", to: "traffic: {path: /x}", want: "policies[0].traffic: a map is not allowed: want a list"},
		{from: "rounds: 2", to: "rounds: -2", want: "profiles.smoke.load.rounds: -2 is not allowed: want 0 or more"},
		{from: "policies: [b]", to: "policies: [d]", want: `profiles.smoke.policies: unknown policy "d"`},
	} {
		text := strings.Replace(small, row.from, row.to, 1)
		if text == small {
			t.Fatalf("%q is not in the text", row.from)
		}
		if _, err := Parse("small.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: error %v, want %s", row.to, err, row.want)
		}
	}
}

// All mistakes are told at once, each with its place.
func TestAllMistakesAreTold(t *testing.T) {
	text := strings.NewReplacer("rate: 100", "rate: -1", "rounds: 6", "rounds: 0", "status: 200}]\n  - name: b", "status: 20}]\n  - name: b",
		"policies: [b]", "policies: [d]").Replace(small)
	_, err := Parse("small.yaml", []byte(text))
	var mistakes Mistakes
	if !errors.As(err, &mistakes) || len(mistakes) != 4 {
		t.Fatalf("%d mistakes, want 4: %v", len(mistakes), err)
	}
	for i, field := range []string{"load.rate", "load.rounds", "policies[0] (a): probes[0] (it is there).status", "profiles.smoke.policies"} {
		if !strings.Contains(mistakes[i], ": "+field+": ") || !strings.HasPrefix(mistakes[i], "small.yaml:") {
			t.Errorf("%q is not of %s", mistakes[i], field)
		}
	}
}

func TestWhatIsASetOfPolicies(t *testing.T) {
	for text, want := range map[string]bool{small: true, "name: a\nstages: [{name: b}]\n": false, "policies:\n": false, "\t: {": false} {
		if IsSet([]byte(text)) != want {
			t.Errorf("%q: want %v", text, want)
		}
	}
}

// sockets is a policy with WebSockets, in which TestMistakesWithWebSocketsAreNamed changes one thing at a time.
const sockets = `
name: small
load: {rate: 100, connections: 4, open: 1s, rounds: 6}
policies:
  - name: a
    summary: one
    websocket: true
    traffic: [{path: /ws, body: hello}]
    probes: [{name: it is there, path: /ws, status: 101, talk: {text: hello, close: 4001}}]
`

func TestMistakesWithWebSocketsAreNamed(t *testing.T) {
	if _, err := Parse("sockets.yaml", []byte(sockets)); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ from, to, want string }{
		{"    websocket: true\n", "", "websocket: want true, as a probe has a talk"},
		{", body: hello}", "}", "websocket: want one request of traffic"},
		{"{path: /ws, body: hello}", "{path: /ws, body: hello}, {path: /b, body: hello}", "websocket: want one request of traffic"},
		{"body: hello}", "body: hello, method: POST}", "websocket: want one request of traffic"},
		{"websocket: true", "websocket: true\n    events: true", "websocket: is not allowed with events"},
		{"websocket: true", "websocket: true\n    changes: [1]", "websocket: is not allowed with events, cache, changes and fault"},
		{"websocket: true", "websocket: true\n    client: {protocol: tls}", "websocket: is not allowed with client.protocol"},
		{"status: 101", "status: 200", "talk: want status 101 and one GET without a body"},
		{"status: 101", "status: 101, count: 2", "talk: want status 101 and one GET without a body"},
		{"close: 4001", "close: 1000", "talk: want one of close and ends at most, from 3000 to 4999"},
		{"close: 4001", "close: 4001, ends: 4002", "talk: want one of close and ends at most"},
		{"close: 4001", "binary: 2000000", "talk: want a binary message of 1048576 bytes at most"},
	} {
		text := strings.Replace(sockets, row.from, row.to, 1)
		if text == sockets {
			t.Fatalf("%q is not in the text", row.from)
		}
		if _, err := Parse("sockets.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: error %v, want %s", row.to, err, row.want)
		}
	}
}

func TestTokens(t *testing.T) {
	p := &Policy{Name: "b", Auth: &Auth{Kind: AuthJWT, Issuer: "me", Secret: "a-secret"}}
	now := time.Unix(1_700_000_000, 0)
	claims := func(kind string) (alg string, expires int64, signed bool) {
		token, err := p.Token(kind, now)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(token, ".")
		var header struct{ Alg string }
		var body struct {
			Iss string
			Exp int64
		}
		for i, to := range []any{&header, &body} {
			b, err := base64.RawURLEncoding.DecodeString(parts[i])
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(b, to); err != nil {
				t.Fatal(err)
			}
		}
		if body.Iss != "me" {
			t.Errorf("%s: issuer %q", kind, body.Iss)
		}
		return header.Alg, body.Exp - now.Unix(), parts[2] != ""
	}
	for kind, want := range map[string]struct {
		alg     string
		expires int64
		signed  bool
	}{
		TokenValid: {"HS256", 3600, true}, TokenExpired: {"HS256", -3600, true}, TokenForged: {"HS256", 3600, true},
		TokenNone: {"none", 3600, false},
	} {
		if alg, expires, signed := claims(kind); alg != want.alg || expires != want.expires || signed != want.signed {
			t.Errorf("%s: alg %s, %d s, signed %v", kind, alg, expires, signed)
		}
	}
	valid, _ := p.Token(TokenValid, now)
	forged, _ := p.Token(TokenForged, now)
	if valid == forged {
		t.Error("the forged token is signed with the secret")
	}
}
