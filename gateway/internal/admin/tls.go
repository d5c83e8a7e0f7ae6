package admin

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

// TLSFiles are the files of the Admin listener's certificates.
type TLSFiles struct {
	Cert     string // path, PEM
	Key      string // path, PEM
	ClientCA string // path, PEM; empty: clients need no certificate
}

// TLS is the TLS configuration of the Admin listener. Its files are read again
// when a client connects, at most once per second.
type TLS struct {
	files TLSFiles
	log   *slog.Logger
	now   func() time.Time

	mu     sync.Mutex
	config *tls.Config
	sum    [sha256.Size]byte // of the files that config was made from
	read   time.Time
	failed string // the error of the last reading; empty: none
}

// OpenTLS reads the files. The error names the setting, not what is in the file.
func OpenTLS(files TLSFiles, log *slog.Logger) (*TLS, error) {
	t := &TLS{files: files, log: log, now: time.Now}
	var err error
	if t.config, t.sum, err = t.load(); err != nil {
		return nil, err
	}
	t.read = t.now()
	return t, nil
}

// Config is for http.Server.ServeTLS. It follows changes of the files.
func (t *TLS) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return t.current(), nil },
	}
}

// current reads the files again when it is time to. Where they are invalid, the
// previous configuration stays in use.
func (t *TLS) current() *tls.Config {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if now.Sub(t.read) < rereadEvery {
		return t.config
	}
	t.read = now
	config, sum, err := t.load()
	switch {
	case err == nil && sum == t.sum:
		t.failed = ""
	case err == nil:
		t.config, t.sum = config, sum
		t.failed = ""
		t.log.Info("certificates of the Admin API reloaded", "cert", t.files.Cert)
	case err.Error() != t.failed:
		t.failed = err.Error()
		t.log.Error("certificates of the Admin API are invalid; keeping the previous ones", "error", err)
	}
	return t.config
}

func (t *TLS) load() (*tls.Config, [sha256.Size]byte, error) {
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
	cert, err := read("admin_tls_cert", t.files.Cert)
	if err != nil {
		return nil, none, err
	}
	key, err := read("admin_tls_key", t.files.Key)
	if err != nil {
		return nil, none, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, none, fmt.Errorf("admin_tls_cert=%q, admin_tls_key=%q: %w", t.files.Cert, t.files.Key, err)
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, Certificates: []tls.Certificate{pair},
	}
	if t.files.ClientCA != "" {
		pem, err := read("admin_tls_client_ca", t.files.ClientCA)
		if err != nil {
			return nil, none, err
		}
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, none, fmt.Errorf("admin_tls_client_ca=%q: %w", t.files.ClientCA, errors.New("want at least one certificate in PEM"))
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
		// A resumed session would keep a certificate that a new authority has not
		// signed.
		config.SessionTicketsDisabled = true
	}
	return config, sha256.Sum256(all.Bytes()), nil
}
