package entity

import "fmt"

// proxied are the protocols that the gateway proxies. Kong has more families.
var proxied = []any{"grpc", "grpcs", "http", "https"}

// families are Kong's, of which a route can have one.
var families = [][]any{{"http", "https"}, {"tcp", "tls", "udp"}, {"tls_passthrough"}, {"grpc", "grpcs"}, {"ws", "wss"}}

func routeProtocols() Field {
	return setOf("protocols", str("").with(oneOf(proxied...))).with(required).with(def([]any{"http", "https"})).with(func(f *Field) {
		f.LenMin, f.Exclusive = 1, families
	})
}

func plainProtocol(r Record) map[string]any {
	if hasProtocol(r, "http") {
		return nil
	}
	return map[string]any{"protocols": "must contain http: requests come over http, and a plugin is not kept from them"}
}

func hasProtocol(r Record, p string) bool {
	l, _ := r["protocols"].([]any)
	for _, e := range l {
		if e == p {
			return true
		}
	}
	return false
}

// familyFields refuses what a protocol's requests do not have, as Kong does.
func familyFields(r Record) map[string]any {
	errs := map[string]any{}
	cannot := func(protocols string, fields ...string) {
		for _, f := range fields {
			if r[f] != nil && r[f] != false {
				errs[f] = fmt.Sprintf("cannot set '%s' when 'protocols' is %s", f, protocols)
			}
		}
	}
	switch {
	case hasProtocol(r, "http"), hasProtocol(r, "https"):
		cannot("'http' or 'https'", "sources", "destinations")
	case hasProtocol(r, "grpc"), hasProtocol(r, "grpcs"):
		cannot("'grpc' or 'grpcs'", "strip_path", "methods", "sources", "destinations")
	case hasProtocol(r, "tcp"), hasProtocol(r, "tls"), hasProtocol(r, "tls_passthrough"), hasProtocol(r, "udp"):
		cannot("'tcp', 'tls', 'tls_passthrough' or 'udp'", "methods", "hosts", "paths", "headers")
	}
	if snis, _ := r["snis"].([]any); len(snis) > 0 {
		for _, p := range []string{"grpcs", "https", "tls", "tls_passthrough", "wss"} {
			if hasProtocol(r, p) {
				return errs
			}
		}
		conditional(errs, "protocols", "snis", "'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls', 'tls_passthrough', or 'wss'")
	}
	return errs
}
