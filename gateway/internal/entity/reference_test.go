package entity_test

import (
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

func environment(name string) (string, bool) {
	v, ok := map[string]string{"DB_PASSWORD": "p", "APP_TOKEN": "t", "PAIR": `{"user":"u","n":1}`, "EMPTY": ""}[name]
	return v, ok
}

func TestParseReference(t *testing.T) {
	for _, c := range []struct{ text, value, wrong string }{
		{text: "{vault://env/db-password}", value: "p"},
		{text: "{vault://env/DB_PASSWORD}", value: "p"},
		{text: "{vault://env/token?prefix=app_}", value: "t"},
		{text: "{vault://env/pair/user}", value: "u"},
		{text: "{vault://env/empty}"},
		{text: "{vault://env/pair/}", value: `{"user":"u","n":1}`},
		{text: "{vault://env/pair/n}", wrong: "no member \"n\" that is a string"},
		{text: "{vault://env/empty/user}", wrong: "is not a JSON object"},
		{text: "{vault://env/absent}", wrong: "environment variable ABSENT is not set"},
		{text: "{vault://aws/secret}", wrong: `vault "aws" does not exist; expected one of: env`},
		{text: "{vault://env}", wrong: "names no variable"},
		{text: "{vault://env/}", wrong: "names no variable"},
		{text: "{vault://env/a", wrong: "must end with }"},
		{text: "{vault://env/a b}", wrong: "cannot be the name of an environment variable"},
		{text: "{vault://env/a%00b}", wrong: "cannot be the name of an environment variable"},
		{text: "{vault://env/a/b/c}", wrong: "cannot be the name of an environment variable"},
		{text: "{vault://env/1a}", wrong: "cannot be the name of an environment variable"},
		{text: "{vault://env/a?suffix=b}", wrong: `option "suffix": expected prefix, once`},
		{text: "{vault://env/a#2}", wrong: "the environment has no versions"},
		{text: "{vault://x@env/a}", wrong: "does not exist"},
		{text: "{vault://[/a}", wrong: "must be {vault://env/NAME}"},
	} {
		ref, ok, err := entity.ParseReference(c.text)
		if !ok {
			t.Errorf("%s is not taken for a reference", c.text)
			continue
		}
		value := ""
		if err == nil {
			value, err = ref.Value(environment)
		}
		if c.wrong == "" && (err != nil || value != c.value) || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("%s: %q, %v; want %q, %s", c.text, value, err, c.value, c.wrong)
		}
	}
	for _, text := range []string{"", "plain", "vault://env/a", "{vault}", "{vault:/env/a}"} {
		if _, ok, err := entity.ParseReference(text); ok || err != nil {
			t.Errorf("%q is taken for a reference: %v", text, err)
		}
	}
}

func TestReferencesAreCheckedAndResolved(t *testing.T) {
	limiting := func(password string) string {
		return `{"name":"rate-limiting","config":{"minute":1,"policy":"redis","redis":{"host":"h","password":"` + password + `"}}}`
	}
	for _, password := range []string{"{vault://aws/a}", "{vault://env/a b}", "{vault://env/a"} {
		if _, err := insertJSON(t, "plugins", limiting(password)); err == nil || !strings.Contains(err.Error(), "config.redis.password: ") {
			t.Errorf("%s: %v", password, err)
		}
	}
	s, _ := schemas.ByName("plugins")
	r, err := insertJSON(t, "plugins", limiting("{vault://env/db-password}"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Resolve(r, environment); err != nil {
		t.Fatal(err)
	}
	if at(r, "config", "redis", "password") != "p" || at(r, "config", "redis_password") != "p" {
		t.Errorf("resolved: %v", r["config"])
	}
	r, err = insertJSON(t, "plugins", limiting("{vault://env/absent}"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Resolve(r, environment); err == nil || !strings.Contains(err.Error(), "password: environment variable ABSENT is not set") {
		t.Errorf("what is not there: %v", err)
	}
	r, err = insertJSON(t, "certificates", `{"cert":"{vault://env/cert}","key":"{vault://env/key}"}`)
	if err != nil {
		t.Fatal(err)
	}
	if c, _ := schemas.ByName("certificates"); c.Resolve(r, environment) == nil {
		t.Error("a certificate that is not in the environment is taken")
	}
}
