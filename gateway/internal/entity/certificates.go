package entity

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
)

func certificates() *Schema {
	secretText := func(f *Field) { f.Encrypted = true }
	return &Schema{
		Name: "certificates", Singular: "certificate",
		Fields: append([]Field{
			idField(),
			str("cert").with(required).with(referenceable),
			str("key").with(required).with(referenceable).with(secretText),
			str("cert_alt").with(oneCertificate),
			str("key_alt").with(oneCertificate).with(secretText),
			// Not a field of Kong's schema but of its Admin API: the names of the
			// SNIs that refer to the certificate.
			setOf("snis", str("").with(match("wildcard_sni"))).with(func(f *Field) { f.Hidden = true }),
			tagsField(),
		}, stamps()...),
		Checks: []Check{{Run: keyPairs}, {Run: distinctNames}},
	}
}

// oneCertificate is for the second pair of Kong's, which is for another kind
// of key.
func oneCertificate(f *Field) {
	only(nil, "the gateway presents one certificate, which is cert")(f)
}

// keyPairs wants the certificate's own key.
func keyPairs(r Record) map[string]any {
	cert, _ := r["cert"].(string)
	key, _ := r["key"].(string)
	if isReference(cert) || isReference(key) {
		return nil // known when it is applied
	}
	if _, err := parseCertificate(cert); err != "" {
		return map[string]any{"cert": err}
	}
	if _, err := tls.X509KeyPair([]byte(cert), []byte(key)); err != nil {
		return map[string]any{"key": "does not match the certificate: " + err.Error()}
	}
	return nil
}

// distinctNames wants each SNI once.
func distinctNames(r Record) map[string]any {
	seen := map[any]bool{}
	names, _ := r["snis"].([]any)
	for _, n := range names {
		if seen[n] {
			return map[string]any{"snis": fmt.Sprintf("duplicate SNI in request: %v", n)}
		}
		seen[n] = true
	}
	return nil
}

// parseCertificate reads the first certificate of a PEM text; the second
// result says what is wrong with it.
func parseCertificate(text string) (*x509.Certificate, string) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, "invalid certificate: want PEM that begins with a CERTIFICATE"
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, "invalid certificate: " + err.Error()
	}
	return c, ""
}

func snis() *Schema {
	return &Schema{
		Name: "snis", Singular: "sni", EndpointKey: "name",
		Fields: append([]Field{
			idField(),
			str("name").with(required).with(unique).with(match("wildcard_sni")),
			foreign("certificate", "certificates", "cascade").with(required),
			tagsField(),
		}, stamps()...),
	}
}

func caCertificates() *Schema {
	return &Schema{
		Name: "ca_certificates", Singular: "ca_certificate",
		Fields: append([]Field{
			idField(),
			str("cert").with(required),
			str("cert_digest").with(unique).with(func(f *Field) { f.Auto = true }),
			tagsField(),
		}, stamps()...),
		Before: func(r Record) {
			text, _ := r["cert"].(string)
			if c, wrong := parseCertificate(text); wrong == "" {
				sum := sha256.Sum256(c.Raw)
				r["cert_digest"] = hex.EncodeToString(sum[:])
			}
		},
		Checks: []Check{{Run: func(r Record) map[string]any {
			text, _ := r["cert"].(string)
			c, wrong := parseCertificate(text)
			if wrong == "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(text)) {
				wrong = "invalid certificate: want PEM without headers" // the pool of an upstream skips such blocks
			}
			if wrong == "" && c.BasicConstraintsValid && !c.IsCA {
				wrong = "certificate does not appear to be a CA because it is missing the \"CA\" basic constraint"
			}
			if wrong != "" {
				return map[string]any{"cert": wrong}
			}
			return nil
		}}},
	}
}
