package main

import (
	"fmt"
	"slices"
	"strings"
)

// kongPostgresVariables make pg_dsn together, with Kong's defaults for those that
// are not set.
var kongPostgresVariables = []string{
	"KONG_PG_HOST", "KONG_PG_PORT", "KONG_PG_USER", "KONG_PG_PASSWORD", "KONG_PG_DATABASE", "KONG_PG_SCHEMA",
	"KONG_PG_SSL", "KONG_PG_SSL_VERIFY", "KONG_PG_SSL_REQUIRED",
}

func isPostgresVariable(name string) bool { return slices.Contains(kongPostgresVariables, name) }

// kongPostgres is the DSN that Kong's variables describe, "" for none, and the
// names of those that are set. The password is in no error.
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
	or := func(name, def string) string {
		if v := have[name]; v != "" {
			return v
		}
		return def
	}
	pairs := []string{
		"host", or("KONG_PG_HOST", "127.0.0.1"), "port", or("KONG_PG_PORT", "5432"),
		"user", or("KONG_PG_USER", "kong"), "dbname", or("KONG_PG_DATABASE", "kong"),
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

// kongTLS is the sslmode for Kong's three switches. Kong goes on without TLS
// where the server has none, unless pg_ssl_required is on; here that must be
// asked for by switching it off.
func kongTLS(have map[string]string) (string, error) {
	is := map[string]bool{}
	for _, name := range []string{"KONG_PG_SSL", "KONG_PG_SSL_VERIFY", "KONG_PG_SSL_REQUIRED"} {
		switch strings.ToLower(have[name]) {
		case "on", "true":
			is[name] = true
		case "off", "false", "":
		default:
			return "", fmt.Errorf("%s=%q: want on or off", name, have[name])
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
