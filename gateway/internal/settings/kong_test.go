package settings

import (
	"bytes"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestKongVariables(t *testing.T) {
	for _, c := range []struct {
		variable, setting, want string
	}{
		{"KONG_PROXY_LISTEN=0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl reuseport backlog=16384",
			"proxy_listen", "0.0.0.0:8000"},
		{"KONG_PROXY_LISTEN=0.0.0.0:8443 ssl, 127.0.0.1:9000", "proxy_listen", "127.0.0.1:9000"},
		{"KONG_PROXY_LISTEN=0.0.0.0:8000, [::]:8000", "proxy_listen", ":8000"},
		{"KONG_SSL_PROTOCOLS=TLSv1.1 TLSv1.2 TLSv1.3", "ssl_protocols", "TLSv1.2 TLSv1.3"},
		{"KONG_ADMIN_LISTEN=127.0.0.1:9001 reuseport backlog=16384, 127.0.0.1:8444 http2 ssl", "admin_listen", "127.0.0.1:9001"},
		{"KONG_STATUS_LISTEN=127.0.0.1:8101", "status_listen", "127.0.0.1:8101"},
		{"KONG_TRUSTED_IPS=0.0.0.0/0,::/0", "trusted_proxies", "0.0.0.0/0,::/0"},
		{"KONG_TRUSTED_IPS=10.0.0.0/8, unix:", "trusted_proxies", "10.0.0.0/8"},
		{"KONG_LOG_LEVEL=notice", "log_level", "info"},
		{"KONG_LOG_LEVEL=debug", "log_level", "debug"},
		{"KONG_LOG_LEVEL=crit", "log_level", "error"},
		{"KONG_NGINX_HTTP_CLIENT_MAX_BODY_SIZE=10m", "client_body_bytes", "10MiB"},
		{"KONG_NGINX_HTTP_CLIENT_MAX_BODY_SIZE=0", "client_body_bytes", "0B"},
		{"KONG_NGINX_HTTP_KEEPALIVE_TIMEOUT=65s 60s", "idle_timeout", "1m5s"},
		{"KONG_NGINX_WORKER_PROCESSES=auto", "max_procs", "0"},
		{"KONG_NGINX_WORKER_PROCESSES=2", "max_procs", "2"},
		{"KONG_UPSTREAM_KEEPALIVE_POOL_SIZE=60", "upstream_keepalive", "60"},
		{"KONG_UPSTREAM_KEEPALIVE_IDLE_TIMEOUT=30", "upstream_idle_timeout", "30s"},
		{"KONG_DB_UPDATE_FREQUENCY=2.5", "pg_poll_interval", "2.5s"},
		{"KONG_PG_TIMEOUT=7000", "pg_query_timeout", "7s"},
		{"KONG_PROXY_ACCESS_LOG=/dev/stdout", "access_log", "all"},
		{"KONG_PROXY_ACCESS_LOG=off", "access_log", "off"},
		{"KONG_LUA_SSL_TRUSTED_CERTIFICATE=/dev/null", "redis_ca_file", "/dev/null"},
		{"KONG_DATABASE=off", "database", "off"},
		{"KONG_PG_HOST=db", "pg_dsn", "host=db port=5432 user=kong database=kong"},
		{"KONG_PG_PASSWORD=hunter2", "pg_dsn", "host=127.0.0.1 port=5432 user=kong database=kong password=***"},
	} {
		name, _, _ := strings.Cut(c.variable, "=")
		_, table, err := load(nil, []string{c.variable})
		if err != nil {
			t.Errorf("%s: %v", c.variable, err)
			continue
		}
		for _, row := range table {
			if row.name == c.setting && (row.show() != c.want || !strings.Contains(row.origin, name)) {
				t.Errorf("%s makes %s %q (%s), want %q", c.variable, row.name, row.show(), row.origin, c.want)
			}
			if row.name != c.setting && row.origin != "default" && name != "KONG_PROXY_LISTEN" { // which says more than one thing
				t.Errorf("%s changes %s", c.variable, row.name)
			}
		}
	}
}

func TestKongsPostgres(t *testing.T) {
	s, _, err := load(nil, []string{
		"KONG_PG_HOST=db.internal", "KONG_PG_PORT=6432", "KONG_PG_USER=gw", `KONG_PG_PASSWORD=it's \ a " secret`, "KONG_PG_DATABASE=conf",
		"KONG_PG_SCHEMA=kong", "KONG_PG_SSL=on",
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := pgx.ParseConfig(s.PostgresDSN)
	if err != nil {
		t.Fatal(err)
	}
	if c.Host != "db.internal" || c.Port != 6432 || c.User != "gw" || c.Password != `it's \ a " secret` || c.Database != "conf" ||
		c.RuntimeParams["search_path"] != "kong" || c.TLSConfig == nil || len(c.Fallbacks) > 0 {
		t.Errorf("got %+v", c)
	}
	for environ, want := range map[string]string{
		"KONG_PG_SSL=on": "require", "KONG_PG_SSL=on KONG_PG_SSL_REQUIRED=on": "require", "KONG_PG_SSL=on KONG_PG_SSL_REQUIRED=off": "prefer",
		"KONG_PG_SSL=on KONG_PG_SSL_VERIFY=on": "verify-ca", "KONG_PG_SSL=off KONG_PG_SSL_VERIFY=on": "disable",
	} {
		s, _, err := load(nil, strings.Fields(environ))
		if err != nil || !strings.HasSuffix(s.PostgresDSN, "sslmode='"+want+"'") {
			t.Errorf("%s: %s %v", environ, s.PostgresDSN, err)
		}
	}
	s, _, err = load(nil, []string{"KONG_PG_PASSWORD={vault://env/my-pg-pass}", "MY_PG_PASS=hunter2"})
	if err != nil || !strings.Contains(s.PostgresDSN, "password='hunter2'") {
		t.Errorf("by reference: %s %v", s.PostgresDSN, err)
	}
}

func TestKongListenersWithTLSAndHTTP2(t *testing.T) {
	for _, c := range []struct{ value, plain, secure, http2 string }{
		{value: "0.0.0.0:8000", plain: "0.0.0.0:8000", http2: "tls"},
		{value: "0.0.0.0:8000, 0.0.0.0:8443 ssl, [::]:8443 ssl, 127.0.0.1:9443 ssl", plain: "0.0.0.0:8000",
			secure: ":8443,127.0.0.1:9443", http2: "off"},
		{value: "0.0.0.0:8000 http2, 0.0.0.0:8443 ssl", plain: "0.0.0.0:8000", secure: "0.0.0.0:8443", http2: "all"},
		{value: "0.0.0.0:8000, 0.0.0.0:8443 ssl http2", plain: "0.0.0.0:8000", secure: "0.0.0.0:8443", http2: "tls"},
	} {
		s, _, err := load(nil, []string{"KONG_PROXY_LISTEN=" + c.value})
		if err != nil || s.ProxyListen != c.plain || strings.Join(s.TLSListen, ",") != c.secure || s.HTTP2 != c.http2 {
			t.Errorf("%s: %s, %v, http2 %s, %v", c.value, s.ProxyListen, s.TLSListen, s.HTTP2, err)
		}
	}
}

func TestOwnVariablesWinOverKongs(t *testing.T) {
	for _, c := range []struct{ args, environ []string }{
		{nil, []string{"GATEWAY_PROXY_LISTEN=127.0.0.1:1", "KONG_PROXY_LISTEN=127.0.0.1:2"}},
		{nil, []string{"GATEWAY_PROXY_LISTEN=127.0.0.1:1", "KONG_PROXY_LISTEN=off"}},
		{[]string{"--proxy-listen=127.0.0.1:1"}, []string{"KONG_PROXY_LISTEN=127.0.0.1:2 proxy_protocol"}},
	} {
		if s, _, err := load(c.args, c.environ); err != nil || s.ProxyListen != "127.0.0.1:1" {
			t.Errorf("%v %v: %s %v", c.args, c.environ, s.ProxyListen, err)
		}
	}
	s, _, err := load([]string{"--pg-dsn=host=mine"}, []string{"KONG_PG_HOST=kongs", "KONG_PG_SSL=perhaps"})
	if err != nil || s.PostgresDSN != "host=mine" {
		t.Errorf("%s %v", s.PostgresDSN, err)
	}
}

func TestWhatIsWrongWithKongsVariables(t *testing.T) {
	off := `KONG_ADMIN_LISTEN="off": want ` + kongListenWant + `; or set GATEWAY_ADMIN_LISTEN, which wins`
	for environ, want := range map[string]string{
		"KONG_ADMIN_LISTEN=off":                            off,
		"KONG_PROXY_LISTEN=0.0.0.0:8000 proxy_protocol":    "none with proxy_protocol",
		"KONG_PROXY_LISTEN=0.0.0.0:8443 ssl":               "one of them without ssl",
		"KONG_SSL_PROTOCOLS=TLSv1.1":                       "want TLSv1.2, TLSv1.3 or both",
		"KONG_LOG_LEVEL=loud":                              `KONG_LOG_LEVEL="loud": want one of debug, info, notice`,
		"KONG_NGINX_HTTP_CLIENT_MAX_BODY_SIZE=10 parsecs":  "want a size such as",
		"KONG_TRUSTED_IPS=everyone":                        "want IP addresses or CIDR blocks",
		"KONG_PG_SSL=perhaps":                              `KONG_PG_SSL="perhaps": want on or off`,
		"KONG_PG_PASSWORD={vault://env/gatelab-not-set}":   "KONG_PG_PASSWORD: environment variable GATELAB_NOT_SET is not set",
		"KONG_PG_PASSWORD={vault://hcv/secret}":            `vault "hcv" does not exist`,
		"KONG_LUA_SSL_TRUSTED_CERTIFICATE=/does/not/exist": "want the path of one file that can be read, or system",
		"KONG_UPSTREAM_KEEPALIVE_IDLE_TIMEOUT=0":           "want seconds, more than 0",
		"KONG_UPSTREAM_KEEPALIVE_POOL_SIZE=-1":             "want a whole number",
		"KONG_NGINX_WORKER_PROCESSES=many":                 "want auto or a whole number",
		"KONG_DB_UPDATE_FREQUENCY=often":                   "want seconds",
		"KONG_STATUS_LISTEN=somewhere":                     "want host:port",
		"KONG_NGINX_HTTP_KEEPALIVE_TIMEOUT=0":              "more than 0",
		"KONG_DATABASE=cassandra":                          `KONG_DATABASE="cassandra": want postgres or off`,
		"KONG_DECLARATIVE_CONFIG=/dev/null":                `declarative_config="/dev/null": want database=off as well`,
		"KONG_DECLARATIVE_CONFIG=/does/not/exist":          "want the path of a file that can be read",
		"KONG_DATABASE={vault://env/gatelab-not-set}":      "environment variable GATELAB_NOT_SET is not set",
		"KONG_ROLE=data_plane":                             `KONG_ROLE="data_plane": want traditional; there is no hybrid mode`,
		"KONG_ROUTER_FLAVOR=expressions":                   `"expressions": want traditional or traditional_compatible; routes`,
		"KONG_PG_PORT=0":                                   `KONG_PG_PORT="0": want a port from 1 to 65535`,
		"KONG_PG_PORT=65536":                               `KONG_PG_PORT="65536": want a port from 1 to 65535`,
		"KONG_PG_PORT=5432/tcp":                            "want a port from 1 to 65535",
		"KONG_PG_HOST=db:5432":                             `="db:5432": want one host name or IP address, with the port in KONG_PG_PORT`,
		"KONG_PG_HOST=postgres://u:hunter2@db/x":           `KONG_PG_HOST="***": want one host name`,
		"KONG_DB_UPDATE_FREQUENCY=0":                       "for pg_poll_interval: a duration from 100ms to 1h",
		"KONG_UPSTREAM_KEEPALIVE_POOL_SIZE=1000000":        "for upstream_keepalive: a whole number from 0 to 100000",
	} {
		if _, _, err := load(nil, []string{environ}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", environ, err, want)
		}
	}
}

func TestWhatIsIgnoredOfKongIsNamed(t *testing.T) {
	environ := []string{
		"KONG_CASSANDRA_CONTACT_POINTS=c1", "KONG_DATABASE=postgres", "KONG_PLUGINS=bundled,mine", "KONG_MEM_CACHE_SIZE=128m",
		"KONG_PG_RO_PASSWORD=hunter2", "KONG_PROXY_LISTEN=0.0.0.0:8000, unix:/p ssl", "KONG_STATUS_LISTEN=off",
		"KONG_REAL_IP_HEADER=X-Real-IP", "KONG_REAL_IP_RECURSIVE=on", "KONG_EMPTY=", "KONG_ROLE=traditional",
		// beside services called kong, kong-proxy and kong-pg
		"KONG_SERVICE_HOST=10.0.0.1", "KONG_PORT=tcp://10.0.0.1:8000", "KONG_PORT_8000_TCP_ADDR=10.0.0.1", "KONG_PROXY_SERVICE_PORT_PROXY=80",
		"KONG_PG_PORT=tcp://10.0.0.2:5432", "KONG_PG_PORT_5432_TCP=tcp://10.0.0.2:5432", "KONG_PG_SERVICE_HOST=10.0.0.2",
	}
	s, table, err := load(nil, environ)
	if err != nil {
		t.Fatal(err)
	}
	want := "KONG_CASSANDRA_CONTACT_POINTS, KONG_MEM_CACHE_SIZE, KONG_PG_RO_PASSWORD, KONG_PLUGINS, " +
		"KONG_PROXY_LISTEN (not served: unix:/p ssl), KONG_REAL_IP_HEADER, KONG_STATUS_LISTEN (status_listen cannot be switched off)"
	if got := strings.Join(s.Ignored, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, row := range table {
		if row.name == "pg_dsn" && row.origin != "default" {
			t.Errorf("a service link makes the DSN %s", row.show())
		}
	}
	var help bytes.Buffer
	table.WriteHelp(&help)
	for _, name := range []string{"KONG_PROXY_LISTEN ", "KONG_PG_PASSWORD ", "KONG_LOG_LEVEL ", "KONG_DATABASE "} {
		if !strings.Contains(help.String(), name) {
			t.Errorf("help lacks %s", name)
		}
	}
}
