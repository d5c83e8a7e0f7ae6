package hmacauth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"hmacauth_credentials.id":         "..: h.ID",
	"hmacauth_credentials.consumer":   "..: h.Consumer",
	"hmacauth_credentials.username":   "..: h.Username",
	"hmacauth_credentials.secret":     ".: known.Secret.Secret",
	"hmacauth_credentials.created_at": "kept",
	"hmacauth_credentials.tags":       "kept",
	"hmac-auth.hide_credentials":      ".: a.HideCredentials",
	"hmac-auth.clock_skew":            ".: a.ClockSkew",
	"hmac-auth.anonymous":             ".: a.Anonymous",
	"hmac-auth.validate_request_body": ".: a.ValidateRequestBody",
	"hmac-auth.enforce_headers":       ".: c.EnforceHeaders",
	"hmac-auth.algorithms":            ".: c.Algorithms",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{"hmac-auth": Definition().Config, "hmacauth_credentials": credentials().Fields}, nil)
}

func TestSchema(t *testing.T) {
	const consumer = `"consumer":{"id":"0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01"}`
	schemas := plugin.NewSet(Definition()).Catalog()
	plugintest.Schema{
		Priority: 1030,
		Defaults: map[string]any{
			"hide_credentials": false, "clock_skew": int64(300), "anonymous": nil, "validate_request_body": false, "enforce_headers": []any{},
			"algorithms": []any{"hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"},
		},
		Refused: map[string]string{
			`{"algorithms":["hmac-md5"]}`: "expected one of: hmac-sha1, hmac-sha256, hmac-sha384, hmac-sha512",
			`{"clock_skew":0}`:            "clock_skew: ",
		},
	}.Check(t, Definition())
	_, err := entitytest.Insert(t, schemas, "plugins", `{"name":"hmac-auth",`+consumer+`}`)
	entitytest.Refused(t, err, "consumer: value must be null")
	_, err = entitytest.Insert(t, schemas, "hmacauth_credentials", `{`+consumer+`}`)
	entitytest.Refused(t, err, "username: required field missing")
	r, err := entitytest.Insert(t, schemas, "hmacauth_credentials", `{"username":"n",`+consumer+`}`)
	if secret, _ := r["secret"].(string); len(secret) != 32 || err != nil {
		t.Errorf("secret %q, %v", secret, err)
	}
	s, _ := schemas.ByName("hmacauth_credentials")
	if s.Redact(r)["secret"] == r["secret"] {
		t.Error("the secret is in the history")
	}
}

// sign is a client's: fields of what is signed, and the whole of Authorization.
func sign(algorithm, secret, names string, lines ...string) string {
	for _, a := range algorithms {
		if a.name == algorithm {
			mac := hmac.New(a.hash, []byte(secret))
			mac.Write([]byte(strings.Join(lines, "\n")))
			sum := base64.StdEncoding.EncodeToString(mac.Sum(nil))
			return fmt.Sprintf(`hmac username="al", algorithm="%s", headers="%s", signature="%s"`, algorithm, names, sum)
		}
	}
	return ""
}

func TestRequests(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		h := r.Header
		fmt.Fprintf(w, "%s,%s,%s,%d,%s", h["X-Consumer-Username"], h["X-Credential-Identifier"], h["X-Anonymous-Consumer"],
			len(h["Authorization"]), body)
	})
	add := func(c *entity.Config) {
		c.Consumers = append(c.Consumers, entity.Consumer{ID: "c2", Username: "guest"})
		c.HMACAuths = []entity.HMACAuth{{ID: "1", Username: "al", Secret: "s", Consumer: entity.Ref{ID: "c1"}}}
	}
	const (
		none  = `401 {"message":"Unauthorized"}`
		wrong = `401 {"message":"HMAC signature cannot be verified"}`
		late  = `401 {"message":"HMAC signature cannot be verified, a valid date or x-date header is required for HMAC Authentication"}`
		other = `401 {"message":"HMAC signature does not match"}`
		alice = "200 [alice],[al],[],1,"
		guest = "200 [guest],[],[true],1,"
	)
	now, old := time.Now().UTC().Format(http.TimeFormat), time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)
	date, dated := "Date:"+now, "date: "+now
	digest := func(body string) string {
		sum := sha256.Sum256([]byte(body))
		return "SHA-256=" + base64.StdEncoding.EncodeToString(sum[:])
	}
	right := sign("hmac-sha256", "s", "date request-line", dated, "POST /p?q=1 HTTP/1.1")
	checked := sign("hmac-sha256", "s", "date digest", dated, "digest: "+digest("b"))
	body, strict := entity.Record{"validate_request_body": true}, entity.Record{"enforce_headers": []any{"Date", "request-line"}}
	for _, tt := range []struct {
		name          string
		config        entity.Record
		authorization string
		fields        []string
		body          string
		want          string
	}{
		{name: "nothing", fields: []string{date}, want: none},
		{name: "right", authorization: right, fields: []string{date}, want: alice},
		{
			name: "a target", authorization: sign("hmac-sha512", "s", "@request-target", "@request-target: post /p?q=1"),
			fields: []string{date}, want: alice,
		},
		{
			name: "X-Date, and a field that is not there", fields: []string{"X-Date:" + now},
			authorization: sign("hmac-sha1", "s", "X-Date x-none", "X-Date: "+now, "x-none:"), want: alice,
		},
		{name: "another secret", authorization: sign("hmac-sha256", "x", "date", dated), fields: []string{date}, want: other},
		{name: "another path", authorization: sign("hmac-sha256", "s", "request-line", "POST /x HTTP/1.1"), fields: []string{date}, want: other},
		{
			name: "an unknown name", fields: []string{date}, want: wrong,
			authorization: strings.Replace(right, `"al"`, `"nemo"`, 1),
		},
		{name: "another scheme", authorization: "Bearer x", fields: []string{date}, want: wrong},
		{
			name: "no base64", authorization: `hmac username="al", algorithm="hmac-sha1", headers="date", signature="%"`, fields: []string{date},
			want: wrong,
		},
		{name: "no date", authorization: right, want: late},
		{name: "an old date", authorization: right, fields: []string{"Date:" + old}, want: late},
		{name: "no date at all", authorization: right, fields: []string{"Date:yesterday"}, want: late},
		{
			name: "an old one that is near enough", config: entity.Record{"clock_skew": 7200},
			authorization: sign("hmac-sha256", "s", "date", "date: "+old), fields: []string{"Date:" + old}, want: alice,
		},
		{
			name: "an old one that was signed, beside a new one", fields: []string{"Date:" + old, "X-Date:" + now}, want: late,
			authorization: sign("hmac-sha256", "s", "date", "date: "+old),
		},
		{
			name: "an old X-Date that was signed, beside a new Date", fields: []string{"X-Date:" + old, date}, want: late,
			authorization: sign("hmac-sha256", "s", "x-date", "x-date: "+old),
		},
		{
			name: "both signed, one of them new", fields: []string{"X-Date:" + now, "Date:" + old}, want: alice,
			authorization: sign("hmac-sha256", "s", "x-date date", "x-date: "+now, "date: "+old),
		},
		{
			name: "an algorithm that is not allowed", config: entity.Record{"algorithms": []any{"hmac-sha512"}},
			authorization: right, fields: []string{date}, want: wrong,
		},
		{name: "everything enforced", config: strict, authorization: right, fields: []string{date}, want: alice},
		{
			name: "something enforced is missing", config: strict, fields: []string{date}, want: wrong,
			authorization: sign("hmac-sha256", "s", "date", dated),
		},
		{
			name: "a signed field twice", fields: []string{date, "X-A:1", "X-A:2"}, want: other,
			authorization: sign("hmac-sha256", "s", "date x-a", dated, "x-a: 1"),
		},
		{name: "a body", config: body, authorization: checked, fields: []string{date, "Digest:" + digest("b")}, body: "b", want: alice + "b"},
		{name: "another body", config: body, authorization: checked, fields: []string{date, "Digest:" + digest("b")}, body: "c", want: other},
		{name: "no digest", config: body, authorization: right, fields: []string{date}, body: "c", want: other},
		{name: "no body and no digest", config: body, authorization: right, fields: []string{date}, want: alice},
		{
			name: "hidden", config: entity.Record{"hide_credentials": true}, authorization: right, fields: []string{date},
			want: "200 [alice],[al],[],0,",
		},
		{name: "anonymous", config: entity.Record{"anonymous": "guest"}, authorization: "x", want: guest},
		{name: "no such anonymous", config: entity.Record{"anonymous": "nemo"}, authorization: right, want: late},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := plugintest.StartWith(t, 0, origin, []plugin.Definition{Definition()}, add,
				entity.Record{"name": "hmac-auth", "config": tt.config})
			fields := append([]string{"X-Consumer-Username:root"}, tt.fields...)
			if tt.authorization != "" {
				fields = append(fields, "Authorization:"+tt.authorization)
			}
			res, text := g.Send(t, http.MethodPost, "/p?q=1", tt.body, fields...)
			if got := fmt.Sprintf("%d %s", res.StatusCode, text); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
