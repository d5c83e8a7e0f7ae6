package entity

import (
	"strings"
	"testing"
)

func environment(name string) (string, bool) {
	v, ok := map[string]string{"DB_PASSWORD": "p", "APP_TOKEN": "t", "PAIR": `{"user":"u","n":1}`, "EMPTY": ""}[name]
	return v, ok
}

func TestParseReference(t *testing.T) {
	for _, c := range []struct{ text, value, wrong string }{
		{"{vault://env/db-password}", "p", ""},
		{"{vault://env/DB_PASSWORD}", "p", ""},
		{"{vault://env/token?prefix=app_}", "t", ""},
		{"{vault://env/pair/user}", "u", ""},
		{"{vault://env/empty}", "", ""},
		{"{vault://env/pair/}", `{"user":"u","n":1}`, ""},
		{"{vault://env/pair/n}", "", "no member \"n\" that is a string"},
		{"{vault://env/empty/user}", "", "is not a JSON object"},
		{"{vault://env/absent}", "", "environment variable ABSENT is not set"},
		{"{vault://aws/secret}", "", `vault "aws" does not exist; expected one of: env`},
		{"{vault://env}", "", "names no variable"},
		{"{vault://env/}", "", "names no variable"},
		{"{vault://env/a", "", "must end with }"},
		{"{vault://env/a b}", "", "cannot be the name of an environment variable"},
		{"{vault://env/a%00b}", "", "cannot be the name of an environment variable"},
		{"{vault://env/a/b/c}", "", "cannot be the name of an environment variable"},
		{"{vault://env/1a}", "", "cannot be the name of an environment variable"},
		{"{vault://env/a?suffix=b}", "", `option "suffix": expected prefix, once`},
		{"{vault://env/a#2}", "", "the environment has no versions"},
		{"{vault://x@env/a}", "", "does not exist"},
		{"{vault://[/a}", "", "must be {vault://env/NAME}"},
	} {
		ref, ok, err := ParseReference(c.text)
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
		if _, ok, err := ParseReference(text); ok || err != nil {
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
	s, _ := ByName("plugins")
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
	if c, _ := ByName("certificates"); c.Resolve(r, environment) == nil {
		t.Error("a certificate that is not in the environment is taken")
	}
}
