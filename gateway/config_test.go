package main

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestSettings(t *testing.T) {
	cases := []struct {
		say     string
		args    []string
		environ []string
		err     string // part of the message; empty: none
		check   func(*settings) bool
	}{
		{say: "defaults stand where nothing is said", check: func(s *settings) bool {
			return s.lookup == "snapshot" && s.pgMaxConns == 16 && s.cacheMemory == 64<<20
		}},
		{say: "a variable sets", environ: []string{"GATEWAY_LOOKUP=database", "GATEWAY_PG_MAX_CONNS=1"}, check: func(s *settings) bool {
			return s.lookup == "database" && s.pgMaxConns == 1
		}},
		{say: "a flag wins over a variable", args: []string{"--pg-max-conns=7"}, environ: []string{"GATEWAY_PG_MAX_CONNS=1"}, check: func(s *settings) bool {
			return s.pgMaxConns == 7
		}},
		{say: "a size has a unit", environ: []string{"GATEWAY_CACHE_MEMORY=1GiB"}, check: func(s *settings) bool { return s.cacheMemory == 1<<30 }},
		{say: "foreign variables are none of ours", environ: []string{"PATH=/bin"}, check: func(*settings) bool { return true }},
		{say: "a wrong choice names the setting, the value and what is allowed", environ: []string{"GATEWAY_LOOKUP=redis"}, err: `GATEWAY_LOOKUP="redis": want one of snapshot, database`},
		{say: "a number out of range", environ: []string{"GATEWAY_PG_MAX_CONNS=0"}, err: `GATEWAY_PG_MAX_CONNS="0": want a whole number from 1 to 10000`},
		{say: "a duration without a unit", environ: []string{"GATEWAY_IDLE_TIMEOUT=5"}, err: `GATEWAY_IDLE_TIMEOUT="5": want a duration`},
		{say: "a size that overflows", environ: []string{"GATEWAY_CACHE_MEMORY=99999999999GiB"}, err: "want a size"},
		{say: "a misspelt variable is refused with a guess", environ: []string{"GATEWAY_PG_MAX_CONN=3"}, err: "did you mean GATEWAY_PG_MAX_CONNS?"},
		{say: "all problems are told at once", environ: []string{"GATEWAY_LOOKUP=x", "GATEWAY_PG_MAX_CONNS=x"}, err: "GATEWAY_PG_MAX_CONNS"},
		{say: "a wrong flag", args: []string{"--pg-max-conns=x"}, err: "pg-max-conns"},
	}
	for _, c := range cases {
		t.Run(c.say, func(t *testing.T) {
			var s settings
			fs := pflag.NewFlagSet("gateway", pflag.ContinueOnError)
			_, err := loadSettings(&s, fs, c.args, c.environ)
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
	var s settings
	fs := pflag.NewFlagSet("gateway", pflag.ContinueOnError)
	table, err := loadSettings(&s, fs, nil, []string{"GATEWAY_PG_DSN=postgres://u:hunter2@db/x"})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	printSettings(&b, table)
	if strings.Contains(b.String(), "hunter2") || !strings.Contains(b.String(), "***") {
		t.Errorf("the connection string is shown:\n%s", b.String())
	}
}
