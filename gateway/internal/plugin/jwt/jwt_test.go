package jwt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/jwks"
	"github.com/gatelab/gatelab/gateway/internal/plugin/keyauth"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
	"github.com/gatelab/gatelab/gateway/internal/plugin/proxycache"
)

// keys are made once: an RSA key takes long.
type keys struct {
	rsa                      *rsa.PrivateKey
	p256                     *ecdsa.PrivateKey
	rsaPEM, p256PEM, weakPEM string
}

var makeKeys = sync.OnceValues(func() (*keys, error) {
	k := &keys{}
	var err error
	if k.rsa, err = rsa.GenerateKey(rand.Reader, leastRSABits); err != nil {
		return nil, err
	}
	if k.p256, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		return nil, err
	}
	for _, of := range []struct {
		key any
		to  *string
	}{{&k.rsa.PublicKey, &k.rsaPEM}, {&k.p256.PublicKey, &k.p256PEM}, {&weak.PublicKey, &k.weakPEM}} {
		der, err := x509.MarshalPKIXPublicKey(of.key)
		if err != nil {
			return nil, err
		}
		*of.to = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	return k, nil
})

func newKeys(t *testing.T) *keys {
	t.Helper()
	k, err := makeKeys()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

type c = map[string]any

// start puts the plugin before an origin that answers with what it is told of the
// consumer. Alice has credentials of several kinds, bob one.
func start(t *testing.T, config c, others ...entity.Record) *plugintest.Gateway {
	t.Helper()
	k := newKeys(t)
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var told []string
		for _, name := range []string{"Username", "Id", "Custom-Id"} {
			told = append(told, strings.Join(r.Header["X-Consumer-"+name], "|"))
		}
		told = append(told, strings.Join(r.Header["X-Credential-Identifier"], "|"), strings.Join(r.Header["X-Anonymous-Consumer"], "|"))
		_, _ = io.WriteString(w, strings.Join(told, ","))
	})
	return plugintest.StartWith(t, 0, origin, []plugin.Definition{Definition(), keyauth.Definition()}, func(e *entity.Config) {
		e.Consumers = append(e.Consumers, entity.Consumer{ID: "c2", Username: "bob", CustomID: "B"},
			entity.Consumer{ID: "c3", Username: "guest"})
		alice, bob := entity.Ref{ID: "c1"}, entity.Ref{ID: "c2"}
		e.JWTSecrets = []entity.JWTSecret{
			{ID: "1", Key: "hs256", Algorithm: "HS256", Secret: "s3cret", Consumer: alice},
			{ID: "2", Key: "hs384", Algorithm: "HS384", Secret: "s3cret", Consumer: alice},
			{ID: "3", Key: "hs512", Algorithm: "HS512", Secret: "s3cret", Consumer: alice},
			{ID: "4", Key: "rs256", Algorithm: "RS256", Secret: "s3cret", RSAPublicKey: k.rsaPEM, Consumer: alice},
			{ID: "5", Key: "rs384", Algorithm: "RS384", Secret: "s3cret", RSAPublicKey: k.rsaPEM, Consumer: alice},
			{ID: "6", Key: "rs512", Algorithm: "RS512", Secret: "s3cret", RSAPublicKey: k.rsaPEM, Consumer: alice},
			{ID: "7", Key: "es256", Algorithm: "ES256", Secret: "s3cret", RSAPublicKey: k.p256PEM, Consumer: alice},
			{ID: "8", Key: "coded", Algorithm: "HS256", Secret: "czNjcmV0", Consumer: bob},
			{ID: "9", Key: "orphan", Algorithm: "HS256", Secret: "s3cret", Consumer: entity.Ref{ID: "gone"}},
			{ID: "10", Key: "spoilt", Algorithm: "RS256", RSAPublicKey: "no PEM", Consumer: alice},
			{ID: "11", Key: "none", Algorithm: "none", Consumer: alice},
			{ID: "12", Key: "empty", Algorithm: "HS256", Secret: "==", Consumer: alice},
		}
	}, append([]entity.Record{{"name": "jwt", "config": config}}, others...)...)
}

func sign(t *testing.T, m jwt.SigningMethod, key any, header, claims c) string {
	t.Helper()
	token := jwt.NewWithClaims(m, jwt.MapClaims(claims))
	for name, v := range header {
		token.Header[name] = v
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// ask sends a request, and gives the answer as status and body.
func ask(t *testing.T, g *plugintest.Gateway, method, target string, header ...string) string {
	t.Helper()
	req, err := http.NewRequest(method, g.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range header {
		name, value, _ := strings.Cut(f, ":")
		req.Header.Add(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode == http.StatusUnauthorized && res.Header.Get("WWW-Authenticate") == "" {
		t.Error("401 without WWW-Authenticate")
	}
	return fmt.Sprintf("%d %s", res.StatusCode, body)
}

func message(text string) string { return `401 {"message":"` + text + `"}` }

func TestAlgorithms(t *testing.T) {
	k := newKeys(t)
	g := start(t, c{})
	for _, tt := range []struct {
		method jwt.SigningMethod
		key    any
		iss    string
	}{
		{jwt.SigningMethodHS256, []byte("s3cret"), "hs256"},
		{jwt.SigningMethodHS384, []byte("s3cret"), "hs384"},
		{jwt.SigningMethodHS512, []byte("s3cret"), "hs512"},
		{jwt.SigningMethodRS256, k.rsa, "rs256"},
		{jwt.SigningMethodRS384, k.rsa, "rs384"},
		{jwt.SigningMethodRS512, k.rsa, "rs512"},
		{jwt.SigningMethodES256, k.p256, "es256"},
	} {
		token := sign(t, tt.method, tt.key, nil, c{"iss": tt.iss})
		want := "200 alice,c1,," + tt.iss + ","
		spoofed := []string{"X-Consumer-Username:root", "X-Consumer-Custom-Id:root", "X-Credential-Identifier:root",
			"X-Anonymous-Consumer:true"}
		if got := ask(t, g, "GET", "/", append(spoofed, "Authorization:Bearer "+token)...); got != want {
			t.Errorf("%s: %s, want %s", tt.iss, got, want)
		}
		signature := strings.LastIndexByte(token, '.') + 1
		other := sign(t, tt.method, tt.key, nil, c{"iss": tt.iss, "admin": true})
		forged := other[:strings.LastIndexByte(other, '.')+1] + token[signature:]
		if got := ask(t, g, "GET", "/", "Authorization:Bearer "+forged); got != message("Invalid signature") {
			t.Errorf("%s, forged: %s", tt.iss, got)
		}
	}
}

// TestConfusedAlgorithms: the credential says how its tokens are verified, not the
// token.
func TestConfusedAlgorithms(t *testing.T) {
	k := newKeys(t)
	g := start(t, c{})
	none := func(alg, iss string) string {
		encode := base64.RawURLEncoding.EncodeToString
		return encode([]byte(`{"alg":`+alg+`}`)) + "." + encode([]byte(`{"iss":"`+iss+`"}`)) + "."
	}
	for name, tt := range map[string]struct{ token, want string }{
		"the public key as a secret": {sign(t, jwt.SigningMethodHS256, []byte(k.rsaPEM), nil, c{"iss": "rs256"}), "Invalid algorithm"},
		"the unused secret":          {sign(t, jwt.SigningMethodHS256, []byte("s3cret"), nil, c{"iss": "rs256"}), "Invalid algorithm"},
		"another hash":               {sign(t, jwt.SigningMethodHS512, []byte("s3cret"), nil, c{"iss": "hs256"}), "Invalid algorithm"},
		"another kind":               {sign(t, jwt.SigningMethodRS256, k.rsa, nil, c{"iss": "hs256"}), "Invalid algorithm"},
		"PSS":                        {sign(t, jwt.SigningMethodPS256, k.rsa, nil, c{"iss": "rs256"}), "Invalid algorithm"},
		"none":                       {none(`"none"`, "hs256"), "Bad token; invalid alg"},
		"None":                       {none(`"None"`, "hs256"), "Bad token; invalid alg"},
		"none of its own":            {none(`"none"`, "none"), "Bad token; invalid alg"},
		"no algorithm":               {none(`null`, "hs256"), "Bad token; invalid alg"},
		"an empty signature":         {none(`"HS256"`, "hs256"), "Invalid signature"},
		"a list of algorithms":       {none(`["HS256","none"]`, "hs256"), "Bad token; invalid alg"},
		"a critical extension": {sign(t, jwt.SigningMethodHS256, []byte("s3cret"), c{"crit": []string{"b64"}}, c{"iss": "hs256"}),
			"Bad token; invalid crit"},
		"a spoilt key":     {sign(t, jwt.SigningMethodRS256, k.rsa, nil, c{"iss": "spoilt"}), "Invalid key/secret"},
		"another's secret": {sign(t, jwt.SigningMethodHS256, []byte("wrong"), nil, c{"iss": "hs256"}), "Invalid signature"},
		"a consumer that is gone": {sign(t, jwt.SigningMethodHS256, []byte("s3cret"), nil, c{"iss": "orphan"}),
			"No credentials found for given 'iss'"},
		"no such credential": {sign(t, jwt.SigningMethodHS256, []byte("s3cret"), nil, c{"iss": "x"}),
			"No credentials found for given 'iss'"},
		"no claim":       {sign(t, jwt.SigningMethodHS256, []byte("s3cret"), nil, c{}), "No mandatory 'iss' in claims"},
		"an empty claim": {sign(t, jwt.SigningMethodHS256, []byte("s3cret"), nil, c{"iss": ""}), "Invalid 'iss' in claims"},
		"a claim that is a list": {sign(t, jwt.SigningMethodHS256, []byte("s3cret"), nil, c{"iss": []string{"hs256"}}),
			"Invalid 'iss' in claims"},
		"no token":       {"abc", "Bad token; invalid JSON"},
		"too many parts": {"e30.e30.e30.e30", "Bad token; invalid JSON"},
		"no JSON":        {"YQ.YQ.YQ", "Bad token; invalid JSON"},
	} {
		if got := ask(t, g, "GET", "/", "Authorization:Bearer "+tt.token); got != message(tt.want) {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestPlacesOfTokens(t *testing.T) {
	token := sign(t, jwt.SigningMethodHS256, []byte("s3cret"), nil, c{"iss": "hs256"})
	other := sign(t, jwt.SigningMethodHS384, []byte("s3cret"), nil, c{"iss": "hs384"})
	const alice = "200 alice,c1,,hs256,"
	g := start(t, c{"uri_param_names": []any{"jwt", "t"}, "cookie_names": []any{"session"},
		"header_names": []any{"authorization", "x-token"}})
	for name, tt := range map[string]struct {
		target string
		header []string
		want   string
	}{
		"a parameter":    {target: "/?t=" + token, want: alice},
		"a cookie":       {target: "/", header: []string{"Cookie:a=b; session=" + token}, want: alice},
		"another header": {target: "/", header: []string{"X-Token:bearer " + token}, want: alice},
		"the same twice": {target: "/?jwt=" + token, header: []string{"X-Token:Bearer " + token}, want: alice},
		"two":            {target: "/?jwt=" + token + "&jwt=" + other, want: message("Multiple tokens provided")},
		"two in two places": {target: "/?jwt=" + token, header: []string{"Authorization:Bearer " + other},
			want: message("Multiple tokens provided")},
		"two in one header": {target: "/", header: []string{"Authorization:Bearer " + token, "Authorization:Bearer " + other},
			want: message("Multiple tokens provided")},
		"another cookie":           {target: "/", header: []string{"Cookie:sessions=" + token}, want: message("Unauthorized")},
		"another scheme":           {target: "/", header: []string{"Authorization:Basic " + token}, want: message("Unauthorized")},
		"an empty parameter":       {target: "/?jwt=&t", want: message("Unauthorized")},
		"a spelling of its name":   {target: "/?%6awt=" + token, want: alice},
		"nothing":                  {target: "/", want: message("Unauthorized")},
		"a name that is not asked": {target: "/?token=" + token, want: message("Unauthorized")},
	} {
		if got := ask(t, g, "GET", tt.target, tt.header...); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestClaims(t *testing.T) {
	now := time.Now().Unix()
	g := start(t, c{"claims_to_verify": []any{"exp", "nbf"}, "maximum_expiration": 600})
	for name, tt := range map[string]struct {
		claims c
		want   string
	}{
		"valid":                {c{"exp": now + 60, "nbf": now - 60}, "200 alice,c1,,hs256,"},
		"over":                 {c{"exp": now - 1, "nbf": now - 60}, `401 {"exp":"token expired"}`},
		"not yet":              {c{"exp": now + 60, "nbf": now + 60}, `401 {"nbf":"token not valid yet"}`},
		"too long":             {c{"exp": now + 700, "nbf": now - 60}, `401 {"exp":"exceeds maximum allowed expiration"}`},
		"none":                 {c{}, `401 {"exp":"must be a number","nbf":"must be a number"}`},
		"a text":               {c{"exp": "9999999999", "nbf": 0}, `401 {"exp":"must be a number"}`},
		"a huge number":        {c{"exp": 1e300, "nbf": 0}, `401 {"exp":"exceeds maximum allowed expiration"}`},
		"a beginning long ago": {c{"exp": now + 60, "nbf": -1e300}, "200 alice,c1,,hs256,"},
	} {
		tt.claims["iss"] = "hs256"
		token := sign(t, jwt.SigningMethodHS256, []byte("s3cret"), nil, tt.claims)
		if got := ask(t, g, "GET", "/", "Authorization:Bearer "+token); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestOtherSettings(t *testing.T) {
	token := func(header, claims c) string {
		return "Authorization:Bearer " + sign(t, jwt.SigningMethodHS256, []byte("s3cret"), header, claims)
	}
	g := start(t, c{"key_claim_name": "kid", "secret_is_base64": true})
	for name, tt := range map[string]struct{ header, want string }{
		"a claim of another name":       {token(nil, c{"kid": "coded"}), "200 bob,c2,B,coded,"},
		"in the token's header":         {token(c{"kid": "coded"}, c{}), "200 bob,c2,B,coded,"},
		"the claim before the header":   {token(c{"kid": "hs256"}, c{"kid": "coded"}), "200 bob,c2,B,coded,"},
		"a secret that is not base64":   {token(nil, c{"kid": "hs256"}), message("Invalid signature")},
		"a secret that is nothing then": {token(nil, c{"kid": "empty"}), message("Invalid key/secret")},
		"none":                          {token(nil, c{"iss": "coded"}), message("No mandatory 'kid' in claims")},
	} {
		if got := ask(t, g, "GET", "/", tt.header); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	if got := ask(t, start(t, c{}), "OPTIONS", "/"); got != message("Unauthorized") {
		t.Errorf("a preflight request: %s", got)
	}
	if got := ask(t, start(t, c{"run_on_preflight": false}), "OPTIONS", "/"); got != "200 ,,,," {
		t.Errorf("a preflight request that is not asked: %s", got)
	}
}

func TestAnonymousAndOtherPlugins(t *testing.T) {
	good := "Authorization:Bearer " + sign(t, jwt.SigningMethodHS256, []byte("s3cret"), nil, c{"iss": "hs256"})
	bad := "Authorization:Bearer " + sign(t, jwt.SigningMethodHS256, []byte("wrong"), nil, c{"iss": "hs256"})
	const guest = "200 guest,c3,,,true"
	either := start(t, c{"anonymous": "guest"}, entity.Record{"name": "key-auth", "config": c{"anonymous": "c3"}})
	both := start(t, c{}, entity.Record{"name": "key-auth", "config": c{}})
	nobody := start(t, c{"anonymous": "nemo"})
	for name, tt := range map[string]struct {
		g      *plugintest.Gateway
		header []string
		want   string
	}{
		"neither":           {either, nil, guest},
		"a token":           {either, []string{good}, "200 alice,c1,,hs256,"},
		"a key":             {either, []string{"apikey:alices-key"}, "200 alice,c1,,k1,"},
		"a bad token":       {either, []string{bad}, guest},
		"a bad key":         {either, []string{"apikey:x"}, guest},
		"a token, bad key":  {either, []string{good, "apikey:x"}, "200 alice,c1,,hs256,"},
		"both":              {both, []string{good, "apikey:alices-key"}, "200 alice,c1,,k1,"},
		"one of both":       {both, []string{"apikey:alices-key"}, message("Unauthorized")},
		"no such anonymous": {nobody, nil, message("Unauthorized")},
	} {
		if got := ask(t, tt.g, "GET", "/", tt.header...); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	if got := ask(t, both, "GET", "/", good); !strings.Contains(got, "No API key found") {
		t.Errorf("the other of both: %s", got)
	}
}

func FuzzToken(f *testing.F) {
	for _, s := range []string{"e30.e30.e30", "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJrIn0.x", "..", "a.b.c",
		"eyJhbGciOiJub25lIn0.eyJpc3MiOiJrIn0."} {
		f.Add(s)
	}
	d := plugin.NewDirectory(&entity.Config{Consumers: []entity.Consumer{{ID: "c"}},
		JWTSecrets: []entity.JWTSecret{{ID: "1", Key: "k", Algorithm: "HS256", Secret: "not known to any input",
			Consumer: entity.Ref{ID: "c"}}}})
	p, err := (&shared{jwks.NewRegistry()}).newPlugin(&entity.Plugin{Config: c{"key_claim_name": "iss"}}, &plugin.Deps{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if _, refused := p.(*auth).verify(d, token); refused == nil {
			t.Fatalf("%q is taken", token)
		}
	})
}

// TestACacheTellsTokensApart: a consumer may be an issuer, whose tokens are of many.
func TestACacheTellsTokensApart(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintf(w, "%s %s %s", r.Header.Get("X-Token"), r.Header.Get("Cookie"), r.URL.Query().Get("jwt"))
	})
	add := func(e *entity.Config) {
		e.JWTSecrets = []entity.JWTSecret{{ID: "1", Key: "hs256", Algorithm: "HS256", Secret: "s3cret", Consumer: entity.Ref{ID: "c1"}}}
	}
	for _, where := range []string{"cookie", "field", "query"} {
		g := plugintest.StartWith(t, 0, origin, []plugin.Definition{Definition(), proxycache.Definition()}, add,
			entity.Record{"name": "jwt", "config": c{"cookie_names": []any{"session"}, "header_names": []any{"x-token"}}},
			entity.Record{"name": "proxy-cache", "config": c{"strategy": "memory", "vary_query_params": []any{"page"}}})
		for _, who := range []string{"ann", "ben", "ann", "ben"} {
			token := sign(t, jwt.SigningMethodHS256, []byte("s3cret"), nil, c{"iss": "hs256", "sub": who})
			target, header := "/", []string{}
			switch where {
			case "cookie":
				header = append(header, "Cookie:session="+token)
			case "field":
				header = append(header, "X-Token:Bearer "+token)
			case "query":
				target += "?jwt=" + token
			}
			if got := ask(t, g, http.MethodGet, target, header...); !strings.HasPrefix(got, "200 ") || !strings.Contains(got, token) {
				t.Errorf("token in %s: %s is answered with %s", where, who, got)
			}
		}
	}
}
