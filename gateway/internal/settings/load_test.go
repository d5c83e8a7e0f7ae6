package settings

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

func load(args, environ []string) (Settings, Table, error) {
	var s Settings
	table, err := Load(&s, pflag.NewFlagSet("gateway", pflag.ContinueOnError), args, environ)
	return s, table, err
}

// Messages name the setting, the value and what is allowed.
func TestMessages(t *testing.T) {
	tests := []struct {
		name    string
		environ []string
		args    []string
		want    string
	}{
		{
			name: "a flag is named as it was written", args: []string{"--pg-max-conns=x"},
			want: `--pg-max-conns="x": want a whole number from 1 to 10000`,
		},
		{
			name: "a misspelt flag", args: []string{"--pg-max-con=3"},
			want: "--pg-max-con: no such setting (did you mean --pg-max-conns?); `gateway --help` lists them all",
		},
		{
			name: "nothing near", environ: []string{"GATEWAY_FROBNICATE_ALL_THINGS=1"},
			want: "GATEWAY_FROBNICATE_ALL_THINGS: no such setting; `gateway --help` lists them all",
		},
		{
			name: "an address without a port", environ: []string{"GATEWAY_PROXY_LISTEN=localhost"},
			want: `GATEWAY_PROXY_LISTEN="localhost": want host:port, with a port from 0 (any free one) to 65535`,
		},
		{
			name: "two listeners on one address", environ: []string{"GATEWAY_ADMIN_LISTEN=0.0.0.0:8000"},
			want: `admin_listen="0.0.0.0:8000": want an address of its own: proxy_listen listens there`,
		},
		{
			name: "two listeners on one address, one with TLS", environ: []string{"GATEWAY_PROXY_SSL_LISTEN=127.0.0.1:1,0.0.0.0:8000"},
			want: `proxy_ssl_listen="0.0.0.0:8000": want an address of its own: proxy_listen listens there`,
		},
		{
			name: "a TLS address without a port", environ: []string{"GATEWAY_PROXY_SSL_LISTEN=0.0.0.0:8443,localhost"},
			want: `GATEWAY_PROXY_SSL_LISTEN="0.0.0.0:8443,localhost": want off, or host:port separated by commas, ` +
				`with ports from 0 (any free one) to 65535`,
		},
		{
			name: "a TLS version that is too old", environ: []string{"GATEWAY_SSL_PROTOCOLS=TLSv1.1 TLSv1.2"},
			want: `GATEWAY_SSL_PROTOCOLS="TLSv1.1 TLSv1.2": want TLSv1.2, TLSv1.3 or both, separated by spaces or commas`,
		},
		{
			name: "a cipher that is broken", environ: []string{"GATEWAY_SSL_CIPHERS=TLS_RSA_WITH_RC4_128_SHA"},
			want: `GATEWAY_SSL_CIPHERS="TLS_RSA_WITH_RC4_128_SHA": want names separated by commas, of ` + strings.Join(CipherNames(), ", "),
		},
		{
			name: "a certificate without a key", environ: []string{"GATEWAY_SSL_CERT=/dev/null"},
			want: `ssl_cert="/dev/null", ssl_cert_key="": want both or neither`,
		},
		{
			name: "a proxy that is no address", environ: []string{"GATEWAY_TRUSTED_PROXIES=10.0.0.0/8,lb"},
			want: `GATEWAY_TRUSTED_PROXIES="10.0.0.0/8,lb": want IP addresses or CIDR blocks, separated by commas`,
		},
		{
			name: "an entry larger than the cache", environ: []string{"GATEWAY_CACHE_MEMORY=1MiB"},
			want: `cache_max_entry="4MiB": want at most cache_memory, 1MiB`,
		},
		{
			name: "a word that is no flag", args: []string{"serve"},
			want: `"serve": not expected: settings are flags or variables`,
		},
		{
			name: "a duration in weeks", environ: []string{"GATEWAY_REVISIONS_KEEP_FOR=2w"},
			want: `GATEWAY_REVISIONS_KEEP_FOR="2w": want a duration from 0s to 36500d, such as 250ms, 5s, 2m or 7d`,
		},
		{
			name: "a duration out of range", environ: []string{"GATEWAY_IDLE_TIMEOUT=7d"},
			want: `GATEWAY_IDLE_TIMEOUT="7d": want a duration from 1ms to 1h, such as 250ms, 5s, 2m or 7d`,
		},
		{
			name: "a size in an ambiguous unit", args: []string{"--cache-memory=64KB"},
			want: `--cache-memory="64KB": want a size from 0B to 1024GiB in bytes, such as 64k, 512KiB or 1GiB`,
		},
		{
			name: "a file beside a database", args: []string{"--declarative-config=/dev/null"},
			want: `declarative_config="/dev/null": want database=off as well; ` + "`gateway config import` loads a file into Postgres",
		},
		{
			name: "no database to ask", args: []string{"--lookup=database"}, environ: []string{"KONG_DATABASE=off"},
			want: `lookup="database": want snapshot with database=off: there is no database to ask`,
		},
		{
			name: "a port of Kong's that is none", environ: []string{"KONG_PG_PORT=postgres"},
			want: `KONG_PG_PORT="postgres": want a port from 1 to 65535; or set GATEWAY_PG_DSN, which wins`,
		},
		{
			name: "a time of Kong's out of range", environ: []string{"KONG_PG_TIMEOUT=0"},
			want: `KONG_PG_TIMEOUT="0": want milliseconds, for pg_query_timeout: a duration from 10ms to 1h, such as 250ms, 5s, 2m or 7d; ` +
				"or set GATEWAY_PG_QUERY_TIMEOUT, which wins",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
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
	var s Settings
	for _, row := range NewTable(&s) {
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
	table.WriteHelp(&b)
	for _, row := range table {
		for _, want := range []string{"--" + row.flag() + ",", row.variable() + "\n", row.allowed} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: help lacks %q", row.name, want)
			}
		}
		if row.help == "" {
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
	table.WriteValues(&b)
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
		if got := HidePassword(dsn); got != want || strings.Contains(got, "hunter2") {
			t.Errorf("%s is shown as %s, want %s", dsn, got, want)
		}
	}
}

func TestSizes(t *testing.T) {
	for v, want := range map[string]int64{
		"0": 0, "512": 512, "7B": 7, "4KiB": 4096, "4K": 4096, "4k": 4096, "4kib": 4096, "2 MiB": 2 << 20, "2m": 2 << 20,
		"64k": 64 << 10, "64K": 64 << 10, "64KiB": 64 << 10, "1GiB": 1 << 30, "1g": 1 << 30,
	} {
		if got, err := parseBytes(v); err != nil || got != want {
			t.Errorf("%q: %d, %v", v, got, err)
		}
	}
	for _, v := range []string{"", "-1", "1.5MiB", "x", "k", "64KB", "64kk", "0x10", "9999999999999GiB"} {
		if got, err := parseBytes(v); err == nil {
			t.Errorf("%q was parsed as %d", v, got)
		}
	}
	if got := fmt.Sprint(FormatBytes(1536), FormatBytes(64<<20)); got != "1536B64MiB" && got != "1536B 64MiB" {
		t.Error(got)
	}
}

func TestDurations(t *testing.T) {
	for v, want := range map[string]time.Duration{
		"7d": 7 * 24 * time.Hour, "1d12h": 36 * time.Hour, "0d": 0, "1.5d": 36 * time.Hour,
		"2d3h4m5s": 51*time.Hour + 4*time.Minute + 5*time.Second,
		"36500d":   36500 * 24 * time.Hour, "250ms": 250 * time.Millisecond, "1h30m": 90 * time.Minute, "0": 0,
	} {
		if got, err := parseDuration(v); err != nil || got != want {
			t.Errorf("%q: %s, %v", v, got, err)
		}
	}
	for _, v := range []string{"", "d", "7", "7days", "12h1d", "1d-2h", "1d+2h", "-1d2h", "NaNd", "infd", "1e9d", "1d 2h", "2w"} {
		if got, err := parseDuration(v); err == nil {
			t.Errorf("%q was parsed as %s", v, got)
		}
	}
	for d, want := range map[time.Duration]string{
		time.Minute: "1m", 90 * time.Second: "1m30s", 0: "0s", 2 * time.Hour: "2h", 25 * time.Hour: "25h",
		24 * time.Hour: "1d", 90 * 24 * time.Hour: "90d",
	} {
		if got := formatDuration(d); got != want {
			t.Errorf("%v is written %s, want %s", d, got, want)
		}
	}
}

// A setting takes days and small units wherever it takes a duration or a size.
func TestUnitsOfSettings(t *testing.T) {
	s, _, err := load([]string{"--revisions-keep-for=7d", "--cache-memory=64m"},
		[]string{"GATEWAY_CACHE_MAX_ENTRY=64k", "KONG_NGINX_HTTP_CLIENT_MAX_BODY_SIZE=8k", "KONG_DB_UPDATE_FREQUENCY=0.02d"})
	if err != nil {
		t.Fatal(err)
	}
	if s.RevisionsKeepFor != 7*day || s.CacheMemory != 64*mib || s.CacheMaxEntry != 64*kib || s.ClientBodyBytes != 8*kib ||
		s.PostgresPollInterval != 1728*second {
		t.Errorf("settings are %+v", s)
	}
}
