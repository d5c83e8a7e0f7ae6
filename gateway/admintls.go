package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// adminTLS is the TLS configuration of the Admin listener. Its files are read
// again when a client connects, once a second at most.
type adminTLS struct {
	cert, key, ca string // paths; ca may be empty
	log           *slog.Logger
	now           func() time.Time

	mu     sync.Mutex
	config *tls.Config
	sum    [sha256.Size]byte // of the files that config was made of
	read   time.Time
	failed string // what was wrong at the last reading; empty: nothing
}

const rereadEvery = time.Second

// newAdminTLS returns nil where no certificate is set.
func newAdminTLS(s *settings, log *slog.Logger) (*adminTLS, error) {
	if s.adminTLSCert == "" {
		return nil, nil
	}
	a := &adminTLS{cert: s.adminTLSCert, key: s.adminTLSKey, ca: s.adminTLSClientCA, log: log, now: time.Now}
	var err error
	a.config, a.sum, err = a.load()
	a.read = a.now()
	return a, err
}

// server is what http.Server.ServeTLS takes.
func (a *adminTLS) server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return a.current(), nil },
	}
}

// current reads the files again where it is time to; when they cannot be used,
// the configuration before stays.
func (a *adminTLS) current() *tls.Config {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if now.Sub(a.read) < rereadEvery {
		return a.config
	}
	a.read = now
	config, sum, err := a.load()
	switch {
	case err == nil && sum == a.sum:
		a.failed = ""
	case err == nil:
		a.config, a.sum, a.failed = config, sum, ""
		a.log.Info("the Admin listener has new certificates", "cert", a.cert)
	case err.Error() != a.failed:
		a.failed = err.Error()
		a.log.Error("the Admin listener's certificates cannot be used; those before them stay", "error", err)
	}
	return a.config
}

func (a *adminTLS) load() (*tls.Config, [sha256.Size]byte, error) {
	none := [sha256.Size]byte{}
	var all bytes.Buffer
	read := func(setting, path string) ([]byte, error) {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("%s=%q: %w", setting, path, err)
		}
		fmt.Fprintf(&all, "%s %d\n", setting, len(b))
		all.Write(b)
		return b, nil
	}
	cert, err := read("admin_tls_cert", a.cert)
	if err != nil {
		return nil, none, err
	}
	key, err := read("admin_tls_key", a.key)
	if err != nil {
		return nil, none, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, none, fmt.Errorf("admin_tls_cert=%q, admin_tls_key=%q: %w", a.cert, a.key, err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, Certificates: []tls.Certificate{pair}}
	if a.ca != "" {
		pem, err := read("admin_tls_client_ca", a.ca)
		if err != nil {
			return nil, none, err
		}
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, none, fmt.Errorf("admin_tls_client_ca=%q: %w", a.ca, errors.New("want at least one certificate in PEM"))
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
		// A resumed session would carry a certificate over that a new authority
		// does not vouch for.
		config.SessionTicketsDisabled = true
	}
	return config, sha256.Sum256(all.Bytes()), nil
}
