package settings

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// kongVariable is a variable of Kong that has the meaning of one setting.
type kongVariable struct {
	name    string
	setting string
	want    string // completes "want ..."
	// convert returns the setting's value, empty for the default. ignored says
	// which part of the variable's value is not used, and is empty where all is.
	convert func(v string) (value, ignored string, err error)
}

// kongVariables are in the order of --help. Those of Postgres make one setting
// together: see kongPostgres.
var kongVariables = []kongVariable{
	{"KONG_PROXY_LISTEN", "proxy_listen", kongListenWant, kongProxyListen},
	{"KONG_PROXY_LISTEN", "proxy_ssl_listen", kongListenWant, kongTLSListen},
	{"KONG_PROXY_LISTEN", "http2", kongListenWant, kongHTTP2},
	{"KONG_SSL_CERT", "ssl_cert", "the path of one file that can be read", kongSame},
	{"KONG_SSL_CERT_KEY", "ssl_cert_key", "the path of one file that can be read", kongSame},
	{"KONG_SSL_PROTOCOLS", "ssl_protocols", "TLSv1.2, TLSv1.3 or both", kongProtocols},
	{"KONG_ADMIN_LISTEN", "admin_listen", kongListenWant, kongListen},
	{"KONG_STATUS_LISTEN", "status_listen", kongListenWant, func(v string) (string, string, error) {
		if v == "off" {
			return "", "status_listen cannot be switched off", nil
		}
		return kongListen(v)
	}},
	{"KONG_DATABASE", "database", "postgres or off", kongSame},
	{"KONG_DECLARATIVE_CONFIG", "declarative_config", "the path of a file that can be read", kongSame},
	{"KONG_DECLARATIVE_CONFIG_STRING", "declarative_config_string", "a declarative configuration", kongSame},
	{"KONG_PG_TIMEOUT", "pg_query_timeout", "milliseconds", kongTime("ms")},
	{"KONG_DB_UPDATE_FREQUENCY", "pg_poll_interval", "seconds", kongTime("s")},
	{"KONG_TRUSTED_IPS", "trusted_proxies", "IP addresses or CIDR blocks, separated by commas", kongAddresses},
	{"KONG_DNS_ORDER", "dns_order", "LAST, A, AAAA, SRV and CNAME, each at most once, separated by commas", kongSame},
	{"KONG_DNS_RESOLVER", "dns_resolver", "IP addresses, with ports where they are not 53, separated by commas", kongSame},
	{"KONG_DNS_VALID_TTL", "dns_valid_ttl", "seconds", kongTime("s")},
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

// kongDefaults are values of Kong's variables that describe what the gateway
// does anyway. With another value the variable is reported as ignored.
var kongDefaults = map[string][]string{
	"KONG_PLUGINS":           {"bundled"},
	"KONG_VAULTS":            {"bundled", "env"},
	"KONG_ANONYMOUS_REPORTS": {"off", "false"},
	"KONG_NGINX_DAEMON":      {"off"},
	"KONG_REAL_IP_HEADER":    {"X-Forwarded-For", "x-forwarded-for"},
	"KONG_REAL_IP_RECURSIVE": {"on", "true"},
	"KONG_PROXY_ERROR_LOG":   {"/dev/stderr"},
	"KONG_ADMIN_ERROR_LOG":   {"/dev/stderr"},
	"KONG_STATUS_ERROR_LOG":  {"/dev/stderr"},
	"KONG_ADMIN_ACCESS_LOG":  {"off"},
	"KONG_STATUS_ACCESS_LOG": {"off"},
}

// kongMode is a variable of Kong that chooses between modes of which the gateway
// has only some. Serving in another mode than the configured one would be wrong,
// so another value is an error.
type kongMode struct {
	name    string
	allowed []string
	advice  string // what there is instead, and what to do
}

var kongModes = []kongMode{
	{
		name: "KONG_ROLE", allowed: []string{"traditional"},
		advice: "there is no hybrid mode, every replica reads the configuration from Postgres: give all replicas the same " +
			"GATEWAY_PG_DSN and unset KONG_ROLE",
	},
	{
		name: "KONG_ROUTER_FLAVOR", allowed: []string{"traditional", "traditional_compatible"},
		advice: "routes with expressions are not supported: write them with hosts, paths, methods and headers, and unset KONG_ROUTER_FLAVOR",
	},
}

// checkModes removes the variables of kongModes from have, and returns what is
// wrong with them.
func checkModes(have map[string]string) (errs []error) {
	for _, m := range kongModes {
		v := have[m.name]
		delete(have, m.name)
		if v != "" && !slices.Contains(m.allowed, v) {
			errs = append(errs, fmt.Errorf("%s=%q: want %s; %s", m.name, v, strings.Join(m.allowed, " or "), m.advice))
		}
	}
	return errs
}

// kongLink matches the variables that Kubernetes gives to every container beside
// a service called kong, or kong-something. A service called kong-pg makes a
// KONG_PG_PORT, too, whose value begins with tcp://.
var kongLink = regexp.MustCompile(`^KONG_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?)$`)

// kongEnvironment returns Kong's variables.
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

// kongResult is what reading Kong's variables found.
type kongResult struct {
	wrong   map[string]error // by setting; no error where the setting has a value of its own
	errs    []error          // regardless of settings
	ignored []string         // variables, with the reason where there is one
}

// fromKong sets the rows that Kong's variables have a value for.
func fromKong(table Table, environ []string) kongResult {
	have := kongEnvironment(environ)
	r := kongResult{wrong: map[string]error{}}
	resolve(have, environ, r.wrong)
	r.errs = checkModes(have)
	for _, k := range kongVariables {
		v, row := have[k.name], table.row(k.setting)
		if v == "" || row == nil {
			continue
		}
		ignored, err := k.apply(row, v)
		if err != nil {
			r.wrong[k.setting] = err
		}
		if ignored != "" {
			r.ignored = append(r.ignored, k.name+" ("+ignored+")")
		}
	}
	for _, k := range kongVariables {
		delete(have, k.name)
	}
	if err := setKongPostgres(table.row("pg_dsn"), have, environ); err != nil {
		r.wrong["pg_dsn"] = err
	}
	for name, v := range have {
		if !isPostgresVariable(name) && !slices.Contains(kongDefaults[name], v) {
			r.ignored = append(r.ignored, name)
		}
	}
	slices.Sort(r.ignored)
	return r
}

// apply sets the row to the variable's value.
func (k *kongVariable) apply(row *Setting, v string) (ignored string, err error) {
	value, ignored, err := k.convert(v)
	if err != nil {
		return ignored, fmt.Errorf("%s=%q: want %s; or set %s, which wins", k.name, v, k.want, row.variable())
	}
	if value == "" {
		return ignored, nil
	}
	if err := row.set(value); err != nil {
		return ignored, fmt.Errorf("%s=%q: want %s, for %s: %s; or set %s, which wins",
			k.name, v, k.want, row.name, row.allowed, row.variable())
	}
	row.origin = "environment, " + k.name
	return ignored, nil
}

// resolve replaces references such as {vault://env/name}, which any of Kong's
// variables may be, by their values.
func resolve(have map[string]string, environ []string, wrong map[string]error) {
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
