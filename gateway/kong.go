package main

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatelab/gateway/internal/entity"
)

// kongVariable is one of Kong's variables that a setting has the meaning of.
type kongVariable struct {
	name    string
	setting string
	want    string // completes "want ..."
	// convert gives the setting's value; empty where the default is meant. What
	// it leaves out of the variable's value is said in left.
	convert func(v string) (value, left string, err error)
}

// kongVariables are in the order of --help. Those of Postgres are one setting
// together, see kongPostgres.
var kongVariables = []kongVariable{
	{"KONG_PROXY_LISTEN", "proxy_listen", kongListenWant, kongListen},
	{"KONG_ADMIN_LISTEN", "admin_listen", kongListenWant, kongListen},
	{"KONG_STATUS_LISTEN", "status_listen", kongListenWant, func(v string) (string, string, error) {
		if v == "off" {
			return "", "status_listen cannot be switched off", nil
		}
		return kongListen(v)
	}},
	{"KONG_PG_TIMEOUT", "pg_query_timeout", "milliseconds", kongTime("ms")},
	{"KONG_DB_UPDATE_FREQUENCY", "pg_poll_interval", "seconds", kongTime("s")},
	{"KONG_TRUSTED_IPS", "trusted_proxies", "IP addresses or CIDR blocks, separated by commas", kongAddresses},
	{"KONG_UPSTREAM_KEEPALIVE_POOL_SIZE", "upstream_keepalive", "a whole number", kongSame},
	{"KONG_UPSTREAM_KEEPALIVE_IDLE_TIMEOUT", "upstream_idle_timeout", "seconds, more than 0", kongTime("s")},
	{"KONG_NGINX_HTTP_CLIENT_MAX_BODY_SIZE", "client_body_bytes", "a size such as 8k, 10m or 1g; 0 is no limit", kongSize},
	{"KONG_NGINX_HTTP_CLIENT_HEADER_TIMEOUT", "client_header_timeout", "a time such as 60s or 1m", kongTime("s")},
	{"KONG_NGINX_HTTP_CLIENT_BODY_TIMEOUT", "client_read_timeout", "a time such as 60s or 1m", kongTime("s")},
	{"KONG_NGINX_HTTP_SEND_TIMEOUT", "client_write_timeout", "a time such as 60s or 1m", kongTime("s")},
	{"KONG_NGINX_HTTP_KEEPALIVE_TIMEOUT", "idle_timeout", "a time such as 75s or 1m, more than 0", kongTime("s")},
	{"KONG_NGINX_WORKER_PROCESSES", "max_procs", "auto or a whole number", func(v string) (string, string, error) {
		if v == "auto" {
			return "0", "", nil
		}
		return v, "", nil
	}},
	{"KONG_LUA_SSL_TRUSTED_CERTIFICATE", "redis_ca_file", "the path of one file that can be read, or system", kongCAs},
	{"KONG_LOG_LEVEL", "log_level", "one of debug, info, notice, warn, error, crit, alert, emerg", kongLevel},
	{"KONG_PROXY_ACCESS_LOG", "access_log", "off, /dev/stdout or /dev/stderr", kongAccessLog},
}

// kongAsHere are values of Kong's variables that describe what the gateway does
// anyway: they are no news. Any other value is.
var kongAsHere = map[string][]string{
	"KONG_DATABASE": {"postgres"}, "KONG_ROLE": {"traditional"}, "KONG_PLUGINS": {"bundled"}, "KONG_VAULTS": {"bundled", "env"},
	"KONG_ANONYMOUS_REPORTS": {"off", "false"}, "KONG_NGINX_DAEMON": {"off"}, "KONG_ROUTER_FLAVOR": {"traditional", "traditional_compatible"},
	"KONG_REAL_IP_HEADER": {"X-Forwarded-For", "x-forwarded-for"}, "KONG_REAL_IP_RECURSIVE": {"on", "true"},
	"KONG_PROXY_ERROR_LOG": {"/dev/stderr"}, "KONG_ADMIN_ERROR_LOG": {"/dev/stderr"}, "KONG_STATUS_ERROR_LOG": {"/dev/stderr"},
	"KONG_ADMIN_ACCESS_LOG": {"off"}, "KONG_STATUS_ACCESS_LOG": {"off"},
}

// kongLink are the variables that Kubernetes gives to every container beside a
// service called kong, or kong-something. One called kong-pg makes a KONG_PG_PORT
// of tcp://, too.
var kongLink = regexp.MustCompile(`^KONG_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?)$`)

// kongEnvironment are the variables of environ that are Kong's.
func kongEnvironment(environ []string) map[string]string {
	out := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "KONG_") || value == "" {
			continue
		}
		if kongLink.MatchString(name) && (strings.Contains(value, "://") || !isPostgresVariable(name)) {
			continue
		}
		out[name] = strings.TrimSpace(value)
	}
	return out
}

// fromKong sets what Kong's variables say, and returns what is wrong with them by
// setting, and those that are ignored, each with the reason if there is one.
func fromKong(table []*setting, environ []string) (wrong map[string]error, ignored []string) {
	have, wrong := kongEnvironment(environ), map[string]error{}
	rows := map[string]*setting{}
	for _, row := range table {
		rows[row.name] = row
	}
	refer(have, environ, wrong)
	for _, k := range kongVariables {
		v, row := have[k.name], rows[k.setting]
		if v == "" || row == nil {
			continue
		}
		delete(have, k.name)
		value, left, err := k.convert(v)
		if err == nil && value != "" {
			err = row.set(value)
		}
		switch {
		case err != nil:
			wrong[k.setting] = fmt.Errorf("%s=%q: want %s; or set %s, which wins", k.name, v, k.want, row.variable())
		case value != "":
			row.origin = "environment, " + k.name
		}
		if left != "" {
			ignored = append(ignored, k.name+" ("+left+")")
		}
	}
	dsn, names, err := kongPostgres(have, environ)
	if err == nil && dsn != "" {
		if err = rows["pg_dsn"].set(dsn); err != nil {
			err = fmt.Errorf("%s: want what makes a connection string together", names)
		}
		rows["pg_dsn"].origin = "environment, " + names
	}
	if err != nil {
		wrong["pg_dsn"], rows["pg_dsn"].origin = err, "default"
	}
	for name, v := range have {
		if !isPostgresVariable(name) && !slices.Contains(kongAsHere[name], v) {
			ignored = append(ignored, name)
		}
	}
	slices.Sort(ignored)
	return wrong, ignored
}

// refer puts values in the place of references, which any of Kong's variables may
// be.
func refer(have map[string]string, environ []string, wrong map[string]error) {
	lookup := func(name string) (string, bool) {
		for _, pair := range environ {
			if n, v, _ := strings.Cut(pair, "="); n == name {
				return v, true
			}
		}
		return "", false
	}
	for name, v := range have {
		ref, ok, err := entity.ParseReference(v)
		if !ok {
			continue
		}
		if err == nil {
			have[name], err = ref.Value(lookup)
		}
		if err != nil {
			wrong[settingOf(name)] = fmt.Errorf("%s: %w", name, err)
			delete(have, name)
		}
	}
}

func settingOf(variable string) string {
	for _, k := range kongVariables {
		if k.name == variable {
			return k.setting
		}
	}
	return "pg_dsn"
}

func kongCAs(v string) (string, string, error) {
	if v == "system" {
		return "", "", nil
	}
	return v, "", nil
}

func kongSame(v string) (string, string, error) { return v, "", nil }

const kongListenWant = "host:port, with Kong's flags behind it, separated by commas, one of them without ssl and none with proxy_protocol"

// kongListen takes the one address that is served without TLS out of Kong's list:
// 0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl.
func kongListen(v string) (value, left string, err error) {
	var plain, rest []string
	for item := range strings.SplitSeq(v, ",") {
		words := strings.Fields(item)
		if len(words) == 0 {
			continue
		}
		flags := words[1:]
		switch {
		case slices.Contains(flags, "proxy_protocol"):
			return "", "", errNotAllowed
		case strings.HasPrefix(words[0], "unix:"), slices.Contains(flags, "ssl"), slices.Contains(plain, words[0]):
			rest = append(rest, strings.Join(words, " "))
		default:
			plain = append(plain, words[0])
		}
	}
	if len(plain) == 0 {
		return "", "", errNotAllowed
	}
	value, plain = plain[0], plain[1:]
	if host, port, err := net.SplitHostPort(value); err == nil && len(plain) > 0 {
		if i := slices.Index(plain, otherAny(host, port)); i >= 0 {
			value, plain = ":"+port, slices.Delete(plain, i, i+1)
		}
	}
	if rest = append(plain, rest...); len(rest) > 0 {
		left = "not served: " + strings.Join(rest, ", ")
	}
	return value, left, nil
}

// otherAny is all addresses of the other family: Go listens on both at once.
func otherAny(host, port string) string {
	switch host {
	case "0.0.0.0":
		return "[::]:" + port
	case "::":
		return "0.0.0.0:" + port
	}
	return ""
}

// kongTime reads numbers, which are of the unit, and nginx's times.
func kongTime(unit string) func(string) (string, string, error) {
	return func(v string) (string, string, error) {
		v, _, _ = strings.Cut(v, " ") // keepalive_timeout has a second one, for a header
		if _, err := strconv.ParseFloat(v, 64); err == nil {
			v += unit
		}
		_, err := time.ParseDuration(v)
		return v, "", err
	}
}

// kongSize reads nginx's sizes.
func kongSize(v string) (string, string, error) {
	number := strings.TrimRight(v, "kKmMgG")
	if _, err := strconv.ParseUint(number, 10, 63); err != nil || len(v)-len(number) > 1 {
		return "", "", errNotAllowed
	}
	return strings.ToUpper(v), "", nil
}

func kongAddresses(v string) (value, left string, err error) {
	var out []string
	for item := range strings.SplitSeq(v, ",") {
		if item = strings.TrimSpace(item); item == "unix:" {
			left = "unix: is no peer here"
		} else if item != "" {
			out = append(out, item)
		}
	}
	return strings.Join(out, ","), left, nil
}

func kongLevel(v string) (string, string, error) {
	switch v {
	case "debug", "info", "warn", "error":
		return v, "", nil
	case "notice":
		return "info", "", nil
	case "crit", "alert", "emerg":
		return "error", "", nil
	}
	return "", "", errNotAllowed
}

func kongAccessLog(v string) (value, left string, err error) {
	switch path, _, _ := strings.Cut(v, " "); path {
	case "off":
		return "off", "", nil
	case "/dev/stdout", "/dev/stderr":
		return "all", "", nil
	}
	return "", "the access log is written to stderr, not to a file", nil
}
