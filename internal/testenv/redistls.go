package testenv

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// RedisTLS starts a Redis of the test's own that speaks TLS with a certificate
// (both in PEM), and returns its host:port, and the one where it speaks plainly.
// It ends with the test binary.
func RedisTLS(tb testing.TB, certificate, key []byte) (encrypted, plain string) {
	tb.Helper()
	dir, encrypted, plain, err := launchRedisTLS(certificate, key)
	if err != nil {
		tb.Fatalf("Redis with TLS for tests: %v: run `make deps`", err)
	}
	waitFor(tb, "Redis with TLS", dir, func() error {
		c, err := net.Dial("tcp", encrypted)
		if err != nil {
			return err
		}
		return c.Close()
	})
	return encrypted, plain
}

func launchRedisTLS(certificate, key []byte) (dir, encrypted, plain string, err error) {
	server, err := find("redis-server", "/usr/bin/redis-server", "/opt/homebrew/bin/redis-server", "/usr/local/bin/redis-server")
	if err != nil {
		return "", "", "", err
	}
	cred, err := unprivileged()
	if err != nil {
		return "", "", "", err
	}
	if dir, err = workDir("gatelab-redis-tls-", cred); err != nil {
		return "", "", "", err
	}
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, text := range map[string][]byte{certFile: certificate, keyFile: key} {
		if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // read by the unprivileged user, good for one test
			return "", "", "", err
		}
	}
	var ports [2]int
	for i := range ports {
		if ports[i], err = freePort(); err != nil {
			return "", "", "", err
		}
	}
	encrypted, plain = fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("127.0.0.1:%d", ports[1])
	return dir, encrypted, plain, spawn(dir, cred, server,
		"--tls-port", fmt.Sprint(ports[0]), "--port", fmt.Sprint(ports[1]), "--bind", "127.0.0.1",
		"--tls-cert-file", certFile, "--tls-key-file", keyFile, "--tls-ca-cert-file", certFile, "--tls-auth-clients", "no",
		"--save", "", "--appendonly", "no", "--dir", dir)
}
