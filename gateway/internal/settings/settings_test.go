package settings

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestSettings(t *testing.T) {
	cases := []struct {
		name    string
		args    []string
		environ []string
		err     string // part of the message; empty: none
		check   func(*Settings) bool
	}{
		{name: "defaults", check: func(s *Settings) bool {
			return s.Lookup == "snapshot" && s.PostgresMaxConns == 16 && s.CacheMemory == 64<<20 && !s.Profiles
		}},
		{name: "variables", environ: []string{"GATEWAY_LOOKUP=database", "GATEWAY_PG_MAX_CONNS=1"}, check: func(s *Settings) bool {
			return s.Lookup == "database" && s.PostgresMaxConns == 1
		}},
		{name: "a flag wins over a variable", args: []string{"--pg-max-conns=7"}, environ: []string{"GATEWAY_PG_MAX_CONNS=1"},
			check: func(s *Settings) bool { return s.PostgresMaxConns == 7 }},
		{name: "a size has a unit", environ: []string{"GATEWAY_CACHE_MEMORY=1GiB"},
			check: func(s *Settings) bool { return s.CacheMemory == 1<<30 }},
		{name: "other variables are ignored", environ: []string{"PATH=/bin"}, check: func(*Settings) bool { return true }},
		{name: "a wrong choice", environ: []string{"GATEWAY_LOOKUP=redis"}, err: `GATEWAY_LOOKUP="redis": want one of snapshot, database`},
		{name: "a number out of range", environ: []string{"GATEWAY_PG_MAX_CONNS=0"},
			err: `GATEWAY_PG_MAX_CONNS="0": want a whole number from 1 to 10000`},
		{name: "a duration without a unit", environ: []string{"GATEWAY_IDLE_TIMEOUT=5"}, err: `GATEWAY_IDLE_TIMEOUT="5": want a duration`},
		{name: "a size that overflows", environ: []string{"GATEWAY_CACHE_MEMORY=99999999999GiB"}, err: "want a size"},
		{name: "a misspelt variable", environ: []string{"GATEWAY_PG_MAX_CONN=3"}, err: "did you mean GATEWAY_PG_MAX_CONNS?"},
		{name: "all problems are reported together", environ: []string{"GATEWAY_LOOKUP=x", "GATEWAY_PG_MAX_CONNS=x"},
			err: "GATEWAY_PG_MAX_CONNS"},
		{name: "a wrong flag", args: []string{"--pg-max-conns=x"}, err: "pg-max-conns"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var s Settings
			fs := pflag.NewFlagSet("gateway", pflag.ContinueOnError)
			_, err := Load(&s, fs, c.args, c.environ)
			switch {
			case c.err == "" && err != nil:
				t.Fatal(err)
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Fatalf("got error %v, want one with %q", err, c.err)
			case c.check != nil && !c.check(&s):
				t.Fatalf("settings are %+v", s)
			}
		})
	}
}

func TestCheckHidesSecrets(t *testing.T) {
	var s Settings
	fs := pflag.NewFlagSet("gateway", pflag.ContinueOnError)
	table, err := Load(&s, fs, nil, []string{"GATEWAY_PG_DSN=postgres://u:hunter2@db/x"})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	table.WriteValues(&b)
	if strings.Contains(b.String(), "hunter2") || !strings.Contains(b.String(), "***") {
		t.Errorf("the connection string is shown:\n%s", b.String())
	}
}
