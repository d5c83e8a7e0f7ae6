package main

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/internal/testenv"
)

// presented is the common name of the certificate that a client gets, "" where
// there is no connection.
func presented(address, name string) string {
	c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, ServerName: name}) //nolint:gosec // it is examined
	if err != nil {
		return ""
	}
	defer func() { _ = c.Close() }()
	return c.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestStoredCertificatesArePresented(t *testing.T) {
	authority := newAuthority(t)
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, key := authority.issue("of the settings")
	address, second := testenv.FreeAddr(t), testenv.FreeAddr(t)
	b := boot(t, "--proxy-ssl-listen="+address+","+second, "--ssl-cert="+file("cert.pem", cert), "--ssl-cert-key="+file("key.pem", key),
		"--ssl-session-ticket-key="+file("seed", []byte(strings.Repeat("s", 32))))
	if got := presented(address, "shop.example.com"); got != "of the settings" {
		t.Errorf("at first: %q", got)
	}
	cert, key = authority.issue("stored")
	made := b.post("/certificates", "cert="+string(cert), "key="+string(key), "snis[]=*.example.com")
	b.eventually("the stored certificate is presented", func() bool { return presented(address, "shop.example.com") == "stored" })
	if got := presented(second, "shop.example.com"); got != "stored" {
		t.Errorf("the second listener presents %q", got)
	}
	if got := presented(address, "other.net"); got != "of the settings" {
		t.Errorf("for another name: %q", got)
	}
	b.post("/snis", "name=*", "certificate.id="+made["id"].(string))
	b.eventually("the default certificate is presented", func() bool { return presented(address, "other.net") == "stored" })
	if code := b.send("DELETE", b.admin+"/snis/*"); code != 204 {
		t.Errorf("DELETE: %d", code)
	}
	b.eventually("it is not any more", func() bool { return presented(address, "other.net") == "of the settings" })
	b.service()
	b.eventually("routed", func() bool { return b.get(b.proxy+"/ai").StatusCode == 200 })
}

func TestTLSSettingsThatCannotBeUsed(t *testing.T) {
	short := filepath.Join(t.TempDir(), "seed")
	if err := os.WriteFile(short, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--ssl-cert=" + short, "--ssl-cert-key=" + short}, "ssl_cert="},
		{[]string{"--ssl-session-ticket-key=" + short}, "want at least 32 bytes"},
	} {
		s, err := load(c.args, nil)
		if err == nil {
			_, err = clientTLS(s)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c.args, err)
		}
	}
}
