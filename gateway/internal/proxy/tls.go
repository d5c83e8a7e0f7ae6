package proxy

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// TLSConfig is how the server speaks TLS with clients.
type TLSConfig struct {
	Default    *tls.Certificate // for names without a certificate of their own; nil: a self-signed one
	Min, Max   uint16           // versions; 0: 1.2 to 1.3
	Ciphers    []uint16         // of TLS 1.2; none: DefaultCiphers
	NoTickets  bool             // no session is resumed
	TicketSeed []byte           // secret that replicas share, to resume each other's sessions; none: random keys
}

// ticketPeriod is how long sessions are encrypted with one key; they can be
// resumed for as long again.
const ticketPeriod = 12 * time.Hour

// terminator ends TLS for all listeners that have it.
type terminator struct {
	proxy    *Proxy
	fallback *keyPair
	seed     []byte
	config   *tls.Config
	asking   *tls.Config // the same, and asks for the client's certificate

	mu     sync.Mutex
	period int64 // whose ticket keys are in use
}

func newTerminator(p *Proxy, c TLSConfig, protocols []string) (*terminator, error) {
	t := &terminator{proxy: p, seed: c.TicketSeed}
	switch {
	case c.Default != nil && p.stapler != nil:
		t.fallback = p.stapler.file(c.Default)
	case c.Default != nil:
		t.fallback = &keyPair{parsed: *c.Default}
	default:
		own, err := selfSigned(time.Now())
		if err != nil {
			return nil, fmt.Errorf("make a certificate: %w", err)
		}
		t.fallback = &keyPair{parsed: own}
	}
	ciphers := c.Ciphers
	if len(ciphers) == 0 {
		ciphers = DefaultCiphers()
	}
	t.config = &tls.Config{
		GetCertificate: t.certificate, MinVersion: max(c.Min, tls.VersionTLS12), MaxVersion: c.Max,
		CipherSuites: ciphers, NextProtos: protocols, SessionTicketsDisabled: c.NoTickets,
	}
	t.asking = t.config.Clone()
	// Plugins check who has signed it: it depends on the route.
	t.asking.ClientAuth = tls.RequestClientCert
	t.config.GetConfigForClient = t.forClient
	return t, nil
}

// DefaultCiphers are those of TLS 1.2 with forward secrecy and authenticated
// encryption, which HTTP/2 asks for. Those of TLS 1.3 are not chosen.
func DefaultCiphers() (ids []uint16) {
	for _, c := range tls.CipherSuites() {
		if slices.Contains(c.SupportedVersions, tls.VersionTLS12) && strings.Contains(c.Name, "ECDHE") && !strings.Contains(c.Name, "CBC") {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// certificate is the one of the configuration in use: a change of configuration
// is in effect with the next handshake.
func (t *terminator) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s := t.proxy.snapshot.Load(); s != nil {
		if own := s.certificates.find(hello.ServerName); own != nil {
			return own, nil
		}
	}
	return t.fallback.stapled(), nil
}

// forClient is the configuration of a handshake; nil is config. Session tickets are
// encrypted with config's keys in both cases.
func (t *terminator) forClient(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if len(t.seed) > 0 {
		if err := t.rotate(); err != nil {
			return nil, err
		}
	}
	if s := t.proxy.snapshot.Load(); s != nil && s.asks(hello.ServerName) {
		return t.asking, nil
	}
	return nil, nil
}

// rotate changes the ticket keys when their time has come.
func (t *terminator) rotate() error {
	now := time.Now().Unix() / int64(ticketPeriod/time.Second)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.period == now {
		return nil
	}
	keys, err := ticketKeys(t.seed, now)
	if err != nil {
		return err
	}
	t.period = now
	t.config.SetSessionTicketKeys(keys)
	return nil
}

// ticketKeys are the keys of a period, the one before and the one after: the
// clocks of replicas differ. They are the same in every replica with the seed.
func ticketKeys(seed []byte, period int64) ([][32]byte, error) {
	keys := make([][32]byte, 0, 3)
	for _, p := range []int64{period, period - 1, period + 1} {
		key, err := hkdf.Key(sha256.New, seed, nil, fmt.Sprintf("gatelab session tickets, period %d", p), 32)
		if err != nil {
			return nil, fmt.Errorf("derive a session ticket key: %w", err)
		}
		keys = append(keys, [32]byte(key))
	}
	return keys, nil
}

// tlsVersion is a version as the access log and the metrics say it.
func tlsVersion(v uint16) string {
	switch v {
	case tls.VersionTLS12:
		return "1.2"
	case tls.VersionTLS13:
		return "1.3"
	}
	return "other"
}
