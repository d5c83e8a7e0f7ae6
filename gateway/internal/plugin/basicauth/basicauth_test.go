package basicauth

import (
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
	"basicauth_credentials.id":         "..: b.ID",
	"basicauth_credentials.consumer":   "..: b.Consumer",
	"basicauth_credentials.username":   "..: b.Username",
	"basicauth_credentials.password":   "..: b.Password",
	"basicauth_credentials.created_at": "kept",
	"basicauth_credentials.tags":       "kept",
	"basic-auth.anonymous":             `.: json:"anonymous" + .Anonymous`,
	"basic-auth.hide_credentials":      `.: json:"hide_credentials" + .HideCredentials`,
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{"basic-auth": Definition().Config, "basicauth_credentials": credentials().Fields}, nil)
}

const consumerID = "0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01"

func TestSchema(t *testing.T) {
	schemas := plugin.NewSet(Definition()).Catalog()
	plugintest.Schema{Priority: 1100, Defaults: map[string]any{"anonymous": nil, "hide_credentials": false}}.Check(t, Definition())
	_, err := entitytest.Insert(t, schemas, "plugins", `{"name":"basic-auth","consumer":{"id":"`+consumerID+`"}}`)
	entitytest.Refused(t, err, "consumer: value must be null")
	_, err = entitytest.Insert(t, schemas, "basicauth_credentials", `{"username":"n","consumer":{"id":"`+consumerID+`"}}`)
	entitytest.Refused(t, err, "password: required field missing")
	_, err = entitytest.Insert(t, schemas, "basicauth_credentials", `{"username":"n","password":"p"}`)
	entitytest.Refused(t, err, "consumer: required field missing")
}

// TestPasswordsAreStoredAsHashes, also by changes, and not twice.
func TestPasswordsAreStoredAsHashes(t *testing.T) {
	schemas := plugin.NewSet(Definition()).Catalog()
	r, err := entitytest.Insert(t, schemas, "basicauth_credentials",
		`{"username":"n","password":"kong","consumer":{"id":"`+strings.ToUpper(consumerID)+`"}}`)
	if err != nil {
		t.Fatal(err)
	}
	first := hash("kong", consumerID)
	if r["password"] != first || len(first) != 40 {
		t.Errorf("stored as %v", r["password"])
	}
	s, _ := schemas.ByName("basicauth_credentials")
	for _, tt := range []struct {
		patch entity.Record
		want  string
	}{
		{patch: entity.Record{"tags": []any{"t"}}, want: first},
		{patch: entity.Record{"password": first, "username": "m"}, want: first}, // as it was read
		{patch: entity.Record{"password": "new"}, want: hash("new", consumerID)},
		{
			patch: entity.Record{"password": "kong", "consumer": map[string]any{"id": "1a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01"}},
			want:  hash("kong", "1a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01"),
		},
	} {
		changed, err := s.ProcessUpdate(r, tt.patch, time.Now())
		if err != nil || changed["password"] != tt.want {
			t.Errorf("%v: %v, %v", tt.patch, changed["password"], err)
		}
	}
	_, err = s.ProcessUpdate(r, entity.Record{"consumer": map[string]any{"id": "1a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01"}}, time.Now())
	entitytest.Refused(t, err, "password: is needed where the consumer changes")
	if s.Redact(r)["password"] == first {
		t.Error("the hash is in the history")
	}
}

func TestRequests(t *testing.T) {
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := r.Header
		fmt.Fprintf(w, "%s,%s,%s,%s,%d", h["X-Consumer-Username"], h["X-Consumer-Id"], h["X-Credential-Identifier"],
			h["X-Anonymous-Consumer"], len(h["Authorization"]))
	})
	add := func(c *entity.Config) {
		c.Consumers = append(c.Consumers, entity.Consumer{ID: "c2", Username: "guest"})
		c.BasicAuths = []entity.BasicAuth{
			{ID: "1", Username: "al", Password: hash("p:w ü", "c1"), Consumer: entity.Ref{ID: "c1"}},
			{ID: "2", Username: "gone", Password: hash("p", "c9"), Consumer: entity.Ref{ID: "c9"}},
			{ID: "3", Username: "empty", Consumer: entity.Ref{ID: "c1"}},
		}
	}
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	const (
		none  = `401 {"message":"Unauthorized"}`
		wrong = `401 {"message":"Invalid authentication credentials"}`
		alice = "200 [alice],[c1],[al],[],1"
		guest = "200 [guest],[c2],[],[true],1"
	)
	for _, tt := range []struct {
		name          string
		config        entity.Record
		authorization []string
		want          string
	}{
		{name: "nothing", want: none},
		{name: "right", authorization: []string{basic("al:p:w ü")}, want: alice},
		{name: "another case of the scheme", authorization: []string{"bAsIc  " + basic("al:p:w ü")[6:]}, want: alice},
		{name: "a wrong password", authorization: []string{basic("al:p")}, want: wrong},
		{name: "the hash as the password", authorization: []string{basic("al:" + hash("p:w ü", "c1"))}, want: wrong},
		{name: "an unknown name", authorization: []string{basic("x:p")}, want: wrong},
		{name: "no stored password", authorization: []string{basic("empty:")}, want: wrong},
		{name: "a consumer that is gone", authorization: []string{basic("gone:p")}, want: wrong},
		{name: "no name", authorization: []string{basic(":p")}, want: wrong},
		{name: "no colon", authorization: []string{basic("al")}, want: wrong},
		{name: "no base64", authorization: []string{"Basic %"}, want: wrong},
		{name: "another scheme", authorization: []string{"Bearer " + basic("al:p:w ü")[6:]}, want: wrong},
		{name: "two", authorization: []string{basic("al:p:w ü"), basic("al:p:w ü")}, want: wrong},
		{
			name: "hidden", config: entity.Record{"hide_credentials": true}, authorization: []string{basic("al:p:w ü")},
			want: "200 [alice],[c1],[al],[],0",
		},
		{name: "anonymous", config: entity.Record{"anonymous": "guest"}, authorization: []string{basic("al:x")}, want: guest},
		{
			name: "anonymous, hidden", config: entity.Record{"anonymous": "c2", "hide_credentials": true},
			authorization: []string{basic("al:x"), "x"}, want: "200 [guest],[c2],[],[true],0",
		},
		{name: "no such anonymous", config: entity.Record{"anonymous": "nemo"}, want: none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := plugintest.StartWith(t, 0, origin, []plugin.Definition{Definition()}, add,
				entity.Record{"name": "basic-auth", "config": tt.config})
			req, err := http.NewRequest(http.MethodGet, g.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header["Authorization"] = tt.authorization
			req.Header["X-Consumer-Username"] = []string{"root", "root"}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%d %s", res.StatusCode, body); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if v := res.Header.Get("WWW-Authenticate"); res.StatusCode == http.StatusUnauthorized && v != `Basic realm="kong"` {
				t.Errorf("WWW-Authenticate: %s", v)
			}
		})
	}
}
