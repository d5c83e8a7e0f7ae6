package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func load(args, environ []string) (settings, []*setting, error) {
	var s settings
	table, err := loadSettings(&s, pflag.NewFlagSet("gateway", pflag.ContinueOnError), args, environ)
	return s, table, err
}

// messages are whole: what a person reads must say name, value and what is
// allowed.
func TestMessages(t *testing.T) {
	tests := []struct {
		about   string
		environ []string
		args    []string
		want    string
	}{
		{"a flag is named as it was written", nil, []string{"--pg-max-conns=x"}, `--pg-max-conns="x": want a whole number from 1 to 10000`},
		{"a misspelt flag", nil, []string{"--pg-max-con=3"}, "--pg-max-con: no such setting (did you mean --pg-max-conns?); `gateway --help` lists them all"},
		{"nothing near", []string{"GATEWAY_FROBNICATE_ALL_THINGS=1"}, nil, "GATEWAY_FROBNICATE_ALL_THINGS: no such setting; `gateway --help` lists them all"},
		{"an address without a port", []string{"GATEWAY_PROXY_LISTEN=localhost"}, nil, `GATEWAY_PROXY_LISTEN="localhost": want host:port, with a port from 0 (any free one) to 65535`},
		{"two listeners on one address", []string{"GATEWAY_ADMIN_LISTEN=0.0.0.0:8000"}, nil, `admin_listen="0.0.0.0:8000": want an address of its own: proxy_listen listens there`},
		{"a proxy that is no address", []string{"GATEWAY_TRUSTED_PROXIES=10.0.0.0/8,lb"}, nil, `GATEWAY_TRUSTED_PROXIES="10.0.0.0/8,lb": want IP addresses or CIDR blocks, separated by commas`},
		{"an entry larger than the cache", []string{"GATEWAY_CACHE_MEMORY=1MiB"}, nil, `cache_max_entry="4MiB": want at most cache_memory, 1MiB`},
		{"a word that is no flag", nil, []string{"serve"}, `"serve": not expected: settings are flags or variables`},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			_, _, err := load(tt.args, tt.environ)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestServiceVariablesOfKubernetesAreLeftAlone(t *testing.T) {
	_, _, err := load(nil, []string{"GATEWAY_SERVICE_HOST=10.0.0.1", "GATEWAY_SERVICE_PORT=8000", "GATEWAY_SERVICE_PORT_PROXY=8000",
		"GATEWAY_PORT=tcp://10.0.0.1:8000", "GATEWAY_PORT_8000_TCP_ADDR=10.0.0.1", "GATEWAY_ADMIN_SERVICE_HOST=10.0.0.2"})
	if err != nil {
		t.Error(err)
	}
}

func TestDefaultsAreAllowed(t *testing.T) {
	var s settings
	for _, row := range newSettings(&s) {
		if row.def == "" {
			continue
		}
		if err := row.set(row.def); err != nil {
			t.Errorf("%s: its default %q is refused", row.name, row.def)
		}
	}
}

func TestHelpTellsEverySetting(t *testing.T) {
	_, table, err := load(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	writeUsage(&b, table)
	for _, row := range table {
		for _, want := range []string{"--" + row.flag() + ",", row.variable() + "\n", row.allowed} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: help lacks %q", row.name, want)
			}
		}
		if row.about == "" {
			t.Errorf("%s is not described", row.name)
		}
	}
}

func TestOriginIsShown(t *testing.T) {
	_, table, err := load([]string{"--lookup=database"}, []string{"GATEWAY_PG_MAX_CONNS=3", "GATEWAY_LOOKUP=snapshot"})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	printSettings(&b, table)
	for _, want := range []string{"lookup database flag", "pg_max_conns 3 environment", "gc_percent 200 default"} {
		found := false
		for line := range strings.Lines(b.String()) {
			found = found || strings.Join(strings.Fields(line), " ") == want
		}
		if !found {
			t.Errorf("no line %q in\n%s", want, b.String())
		}
	}
}

func TestPasswordsAreHidden(t *testing.T) {
	for dsn, want := range map[string]string{
		"postgres://u:hunter2@db:5432/x?sslmode=disable":     "postgres://u:***@db:5432/x?sslmode=disable",
		"postgres://u@db/x?password=hunter2&a=b":             "postgres://u@db/x?password=***&a=b",
		"postgres://u@db/x?pass%77ord=hunter2&a=b":           "postgres://u@db/x?pass%77ord=***&a=b",
		"postgres://u:hunt%2Fer2@db/x?SSLPassword=hunter2":   "postgres://u:***@db/x?SSLPassword=***",
		"host=db password=hunter2 user=u dbname=d":           "host=db port=5432 user=u database=d password=***",
		"host=db password='hunter2 \\' x' user=u dbname=d":   "host=db port=5432 user=u database=d password=***",
		"host=db password=hunter2\\ hunter2 user=u dbname=d": "host=db port=5432 user=u database=d password=***",
		"postgres://u:hunter2@db:port/x":                     "***",
		"postgres://u:pa/hunter2@db/x":                       "***",
		"postgres://db/x":                                    "postgres://db/x",
	} {
		if got := hidePassword(dsn); got != want || strings.Contains(got, "hunter2") {
			t.Errorf("%s is shown as %s, want %s", dsn, got, want)
		}
	}
}

// A password with a character that ends it must not turn up in pieces.
func TestUnparsableDSNs(t *testing.T) {
	for _, dsn := range []string{
		"postgres://u:hunter2@db:port/x", "postgres://u:pa/hunter2@db/x", "postgres://u:12/hunter2@db/x", "postgres://u:12?hunter2@db/x",
		"postgres://u:12#hunter2@db/x", "postgres://u:12/x#hunter2", "postgres://u:%hunter2@db/x", "host=db password=12 hunter2 user=u",
		"host=db password='hunter2 user=u", "hunter2", "postgres://u:hunter2@db/x?sslmode=hunter2", "host=db password=12 hunter2=x y=3 user=u port=hunter2",
		"postgres://u:hunter2@db/x?pool_max_conns=hunter2", "host=db sslrootcert=/hunter2",
	} {
		for _, command := range [][]string{{"check", "--postgres"}, {"migrate"}, {"run"}} {
			for _, call := range []struct{ args, environ []string }{
				{append(command, "--pg-dsn="+dsn), nil}, {command, []string{"GATEWAY_PG_DSN=" + dsn}},
			} {
				var out strings.Builder
				if code := run(call.args, call.environ, &out, &out); code != 2 || !strings.Contains(out.String(), `="***": want postgres://`) {
					t.Errorf("%q: code %d\n%s", call, code, out.String())
				}
				if strings.Contains(out.String(), "hunter2") {
					t.Errorf("%q: a piece of it is shown:\n%s", call, out.String())
				}
			}
		}
	}
}

func TestUnits(t *testing.T) {
	for v, want := range map[string]int64{"0": 0, "512": 512, "4KiB": 4096, "4K": 4096, "2 MiB": 2 << 20, "1GiB": 1 << 30, "7B": 7} {
		if got, err := parseBytes(v); err != nil || got != want {
			t.Errorf("%q: %d, %v", v, got, err)
		}
	}
	for _, v := range []string{"", "-1", "1.5MiB", "x", "9999999999999GiB"} {
		if got, err := parseBytes(v); err == nil {
			t.Errorf("%q was taken for %d", v, got)
		}
	}
	for d, want := range map[time.Duration]string{time.Minute: "1m", 90 * time.Second: "1m30s", 0: "0s", 2 * time.Hour: "2h"} {
		if got := formatDuration(d); got != want {
			t.Errorf("%v is written %s", d, got)
		}
	}
	if got := fmt.Sprint(formatBytes(1536), formatBytes(64<<20)); got != "1536B64MiB" && got != "1536B 64MiB" {
		t.Error(got)
	}
}
