package settings

import (
	"crypto/tls"
	"slices"
	"strings"
)

func tlsRows(s *Settings) Table {
	return Table{
		addresses("proxy_ssl_listen", &s.TLSListen,
			"addresses of the proxy for TLS; stored certificates are selected by SNI"),
		choice("http2", &s.HTTP2, "tls", []string{"off", "tls", "all"},
			"where clients can use HTTP/2. tls: on proxy_ssl_listen, by ALPN; all: also on proxy_listen without TLS, "+
				"with prior knowledge"),
		number("http2_max_streams", &s.HTTP2Streams, 128, 1, 10000, "maximum number of concurrent requests on an HTTP/2 connection"),
		file("ssl_cert", &s.TLSCert,
			"PEM file of the certificate, with its chain, for names without a stored certificate; "+
				"none: a self-signed certificate, created at start"),
		file("ssl_cert_key", &s.TLSKey, "PEM file of the private key of ssl_cert"),
		protocols("ssl_protocols", &s.TLSProtocols, []string{"TLSv1.2", "TLSv1.3"}, "TLS versions for clients"),
		ciphers("ssl_ciphers", &s.TLSCiphers,
			"cipher suites of TLS 1.2 for clients; none: ECDHE with AES-GCM or ChaCha20-Poly1305. The cipher suites of TLS 1.3 are fixed"),
		boolean("ssl_session_tickets", &s.TLSTickets, true, "clients can resume TLS sessions"),
		boolean("ssl_stapling", &s.TLSStapling, false,
			"request the OCSP status of stored certificates and of ssl_cert in the background, and staple it to handshakes; a "+
				"certificate needs an http OCSP address, and must be followed by that of its issuer"),
		file("ssl_session_ticket_key", &s.TLSTicketKeyFile,
			"file with a secret of at least 32 bytes, from which all replicas derive the same session ticket keys, new ones every 12h; "+
				"none: random keys, so that a session can be resumed only on the replica where it began"),
	}
}

// addresses is a list of listeners' addresses, or off.
func addresses(name string, p *[]string, help string) *Setting {
	const allowed = "off, or host:port separated by commas, with ports from 0 (any free one) to 65535"
	return newSetting(name, p, nil, help, allowed, func(v string) (out []string, err error) {
		if v == "off" {
			return nil, nil
		}
		for item := range strings.SplitSeq(v, ",") {
			item = strings.TrimSpace(item)
			if err := checkAddress(item); err != nil {
				return nil, err
			}
			if slices.Contains(out, item) {
				return nil, errNotAllowed
			}
			out = append(out, item)
		}
		return out, nil
	}, func(l []string) string {
		if len(l) == 0 {
			return "off"
		}
		return strings.Join(l, ",")
	})
}

// protocols is a list of TLS versions, as Kong writes it.
func protocols(name string, p *[]string, def []string, help string) *Setting {
	return newSetting(name, p, def, help, "TLSv1.2, TLSv1.3 or both, separated by spaces or commas", func(v string) ([]string, error) {
		words := strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' })
		for _, w := range words {
			if w != "TLSv1.2" && w != "TLSv1.3" {
				return nil, errNotAllowed
			}
		}
		if len(words) == 0 {
			return nil, errNotAllowed
		}
		slices.Sort(words)
		return slices.Compact(words), nil
	}, func(l []string) string { return strings.Join(l, " ") })
}

// ciphers is a list of the TLS 1.2 ciphers that are known and not broken.
func ciphers(name string, p *[]string, help string) *Setting {
	known := CipherNames()
	return names(name, p, "names separated by commas, of "+strings.Join(known, ", "), help, func(v string) error {
		if !slices.Contains(known, v) {
			return errNotAllowed
		}
		return nil
	})
}

// CipherNames are the names of the ciphers of TLS 1.2 that can be chosen.
func CipherNames() (out []string) {
	for _, c := range tls.CipherSuites() {
		if slices.Contains(c.SupportedVersions, tls.VersionTLS12) {
			out = append(out, c.Name)
		}
	}
	return out
}
