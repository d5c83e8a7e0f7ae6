package admin

import "testing"

// Keys and their sets are stored and checked as in Kong, although no plugin reads them.
func TestKeysAndTheirSets(t *testing.T) {
	base, _ := start(t)
	const jwk = `{\"kty\":\"oct\",\"kid\":\"one\",\"k\":\"c2VjcmV0\"}`
	want(t, "POST", base+"/key-sets", js, `{"name":"set","tags":["a"]}`, 201, "")
	want(t, "POST", base+"/key-sets/set/keys", js, `{"name":"k","kid":"one","jwk":"`+jwk+`"}`, 201, "")
	want(t, "POST", base+"/keys", js, `{"name":"other","kid":"one","set":{"name":"set"},"jwk":"`+jwk+`"}`, 409, "")
	for _, c := range []struct{ name, body, says string }{
		{name: "another kid", body: `{"name":"x","kid":"two","jwk":"` + jwk + `"}`, says: "kid in jwk.kid must be equal to keys.kid"},
		{name: "no JSON", body: `{"name":"x","kid":"two","jwk":"no"}`, says: "could not load JWK"},
		{name: "no kty", body: `{"name":"x","kid":"two","jwk":"{}"}`, says: "kty is missing"},
		{name: "no kid", body: `{"name":"x","jwk":"` + jwk + `"}`, says: "required field missing"},
		{name: "no key", body: `{"name":"x","kid":"two"}`, says: "at least one of these fields must be non-empty"},
		{name: "both forms", body: `{"name":"x","kid":"one","jwk":"` + jwk + `","pem":{"public_key":"p"}}`, says: "only one or none"},
	} {
		t.Run(c.name, func(t *testing.T) { want(t, "POST", base+"/keys", js, c.body, 400, c.says) })
	}
	want(t, "GET", base+"/key-sets/set/keys/k", "", "", 200, "")
	want(t, "GET", base+"/keys/k", "", "", 200, "")
	want(t, "GET", base+"/schemas/keys", "", "", 200, "")
	want(t, "DELETE", base+"/key-sets/set", "", "", 204, "")
	want(t, "GET", base+"/keys/k", "", "", 404, "") // deleted with its set
}
