package settings

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// kongPostgresVariables make pg_dsn together, with Kong's defaults for those that
// are not set.
var kongPostgresVariables = []string{
	"KONG_PG_HOST", "KONG_PG_PORT", "KONG_PG_USER", "KONG_PG_PASSWORD", "KONG_PG_DATABASE", "KONG_PG_SCHEMA",
	"KONG_PG_SSL", "KONG_PG_SSL_VERIFY", "KONG_PG_SSL_REQUIRED",
}

func isPostgresVariable(name string) bool { return slices.Contains(kongPostgresVariables, name) }

// setKongPostgres sets the DSN that Kong's variables describe, if any is set.
func setKongPostgres(row *Setting, have map[string]string, environ []string) error {
	dsn, names, err := kongPostgres(have, environ)
	if err != nil || dsn == "" {
		return err
	}
	if err := row.set(dsn); err != nil {
		return fmt.Errorf("%s: want values that make a connection string together; or set %s, which wins", names, row.variable())
	}
	row.origin = "environment, " + names
	return nil
}

// kongPostgres returns the DSN that Kong's variables describe, empty where none
// is set, and the names of those that are. The password is in no error.
func kongPostgres(have map[string]string, environ []string) (dsn, names string, err error) {
	var set []string
	for _, name := range kongPostgresVariables {
		if have[name] != "" {
			set = append(set, name)
		}
	}
	if len(set) == 0 {
		return "", "", nil
	}
	if err := checkKongAddress(have); err != nil {
		return "", "", err
	}
	pairs := []string{
		"host", cmp.Or(have["KONG_PG_HOST"], "127.0.0.1"), "port", cmp.Or(have["KONG_PG_PORT"], "5432"),
		"user", cmp.Or(have["KONG_PG_USER"], "kong"), "dbname", cmp.Or(have["KONG_PG_DATABASE"], "kong"),
	}
	if password := have["KONG_PG_PASSWORD"]; password != "" {
		pairs = append(pairs, "password", password)
	}
	if schema := have["KONG_PG_SCHEMA"]; schema != "" {
		pairs = append(pairs, "search_path", schema)
	}
	mode, err := kongTLS(have)
	if err != nil {
		return "", "", err
	}
	pairs = append(pairs, "sslmode", mode)
	if ca := kongEnvironment(environ)["KONG_LUA_SSL_TRUSTED_CERTIFICATE"]; mode == "verify-ca" && ca != "" && ca != "system" {
		pairs = append(pairs, "sslrootcert", ca)
	}
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, "%s='%s' ", pairs[i], strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(pairs[i+1]))
	}
	return strings.TrimSpace(b.String()), strings.Join(set, ", "), nil
}

// checkKongAddress finds hosts and ports that a connection string would take for
// something else; a path is the folder of a socket. A host that may be a URL with
// a password is not shown.
func checkKongAddress(have map[string]string) error {
	const instead = "or set GATEWAY_PG_DSN, which wins"
	if port := have["KONG_PG_PORT"]; port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("KONG_PG_PORT=%q: want a port from 1 to 65535; %s", port, instead)
		}
	}
	host := have["KONG_PG_HOST"]
	if net.ParseIP(host) != nil || strings.HasPrefix(host, "/") || !strings.ContainsAny(host, "/:@, ") {
		return nil
	}
	if strings.ContainsAny(host, "@/") {
		host = "***"
	}
	return fmt.Errorf("KONG_PG_HOST=%q: want one host name or IP address, with the port in KONG_PG_PORT; %s", host, instead)
}

// kongTLS returns the sslmode for Kong's three switches. Kong falls back to a
// connection without TLS where the server has none, unless pg_ssl_required is
// on; here only pg_ssl_required=off allows that.
func kongTLS(have map[string]string) (string, error) {
	is := map[string]bool{}
	for _, name := range []string{"KONG_PG_SSL", "KONG_PG_SSL_VERIFY", "KONG_PG_SSL_REQUIRED"} {
		switch strings.ToLower(have[name]) {
		case "on", "true":
			is[name] = true
		case "off", "false", "":
		default:
			return "", fmt.Errorf("%s=%q: want on or off; or set GATEWAY_PG_DSN, which wins", name, have[name])
		}
	}
	switch {
	case !is["KONG_PG_SSL"]:
		return "disable", nil
	case is["KONG_PG_SSL_VERIFY"]:
		return "verify-ca", nil
	case have["KONG_PG_SSL_REQUIRED"] != "" && !is["KONG_PG_SSL_REQUIRED"]:
		return "prefer", nil
	}
	return "require", nil
}
