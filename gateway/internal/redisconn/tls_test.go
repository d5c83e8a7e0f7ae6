package redisconn

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"github.com/gatelab/gatelab/internal/testenv"
)

// selfSigned makes a certificate that has signed itself.
func selfSigned(t *testing.T, commonName string, names ...string) (cert, key []byte, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: commonName}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), roots
}

func at(t *testing.T, address string) Options {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return Options{Host: host, Port: n}
}

var patient = Config{DialTimeout: 10 * time.Second, Timeout: 10 * time.Second}

func TestTLSIsSpokenAsConfigured(t *testing.T) {
	cert, key, roots := selfSigned(t, "redis.internal")
	named, namedKey, namedRoots := selfSigned(t, "wrong.internal", "redis.internal")
	byCommonName, plain := testenv.RedisTLS(t, cert, key)
	byName, _ := testenv.RedisTLS(t, named, namedKey)
	for _, c := range []struct {
		name    string
		address string
		roots   *x509.CertPool
		change  func(*Options)
		works   bool
	}{
		{name: "unchecked, a private certificate is taken", address: byCommonName, change: func(o *Options) { o.TLS = true },
			works: true},
		{name: "checked, it is not", address: byCommonName,
			change: func(o *Options) { o.TLS = true; o.VerifyTLS = true; o.ServerName = "redis.internal" }},
		{name: "its signer known, it is, by its common name", address: byCommonName, roots: roots,
			change: func(o *Options) { o.TLS = true; o.VerifyTLS = true; o.ServerName = "redis.internal" }, works: true},
		{name: "not under another name", address: byCommonName, roots: roots,
			change: func(o *Options) { o.TLS = true; o.VerifyTLS = true; o.ServerName = "other.internal" }},
		{name: "nor for its address", address: byCommonName, roots: roots, change: func(o *Options) { o.TLS, o.VerifyTLS = true, true }},
		{name: "an alternative name", address: byName, roots: namedRoots,
			change: func(o *Options) { o.TLS = true; o.VerifyTLS = true; o.ServerName = "redis.internal" }, works: true},
		{name: "the common name beside alternative ones is none", address: byName, roots: namedRoots,
			change: func(o *Options) { o.TLS = true; o.VerifyTLS = true; o.ServerName = "wrong.internal" }},
		{name: "another's signer", address: byName, roots: roots,
			change: func(o *Options) { o.TLS = true; o.VerifyTLS = true; o.ServerName = "redis.internal" }},
		{name: "TLS where it is not spoken", address: plain, change: func(o *Options) { o.TLS = true }},
		{name: "none where it is", address: byCommonName, change: func(*Options) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := patient
			config.RootCAs = c.roots
			o := at(t, c.address)
			c.change(&o)
			err := newRegistry(t, config, nil).Client(o).Do(t.Context(), ping)
			if (err == nil) != c.works {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestEveryFieldKeepsClientsApart(t *testing.T) {
	r := newRegistry(t, Config{}, nil)
	base := Options{Host: "127.0.0.1", Port: 1, TLS: true}
	seen := map[*Client]string{r.Client(base): "nothing"}
	for name, change := range map[string]func(*Options){
		"port": func(o *Options) { o.Port = 2 }, "username": func(o *Options) { o.Username = "u" },
		"password": func(o *Options) { o.Password = "p" },
		"database": func(o *Options) { o.Database = 1 }, "tls": func(o *Options) { o.TLS = false },
		"verify":      func(o *Options) { o.VerifyTLS = true },
		"server name": func(o *Options) { o.ServerName = "n" }, "timeout": func(o *Options) { o.Timeout = time.Second },
	} {
		o := base
		change(&o)
		c := r.Client(o)
		if with, has := seen[c]; has {
			t.Errorf("another %s shares a client with another %s", name, with)
		}
		seen[c] = name
	}
}

func TestAServersOwnTimeout(t *testing.T) {
	k := newLink(t, testenv.Redis(t))
	k.mute.Store(true)
	r := newRegistry(t, Config{DialTimeout: time.Minute, Timeout: time.Minute}, nil)
	o := k.options(t)
	o.Timeout = 50 * time.Millisecond
	c := r.Client(o)
	done := make(chan error, 1)
	go func() { done <- c.Do(t.Context(), ping) }()
	select {
	case err := <-done:
		if err == nil || c.Timeout() != o.Timeout {
			t.Errorf("got %v, time-out %s", err, c.Timeout())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the registry's time-out was waited for")
	}
}

// lines is a log that may be read while it is written.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.all.String(), text)
}

func TestAServerThatGoesAwayIsToldOnce(t *testing.T) {
	k := newLink(t, testenv.Redis(t))
	reg, log := prometheus.NewRegistry(), &lines{}
	r := newRegistry(t, Config{
		DialTimeout: 5 * time.Second, Timeout: 5 * time.Second, PollInterval: 5 * time.Millisecond, BreakFor: 5 * time.Millisecond, BreakAfter: 2,
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}, reg)
	o := k.options(t)
	c := r.Client(o)
	up := func() float64 { return testutil.ToFloat64(r.metrics.up.WithLabelValues(o.Address())) }
	eventually(t, "up", func() bool { return up() == 1 })
	for turn := 1; turn <= 2; turn++ {
		k.setCut(true)
		eventually(t, "down", func() bool { return up() == 0 && !c.Available() })
		for range 20 {
			_ = c.Do(t.Context(), ping)
		}
		k.setCut(false)
		eventually(t, "up again", func() bool { return up() == 1 && c.Available() })
		if away, back := log.count("cannot be used:"), log.count("can be used again"); away != turn || back != turn {
			t.Fatalf("after %d outages: %d lines of going, %d of coming back", turn, away, back)
		}
	}
}

func TestAWrongPasswordIsShownAndSaidOnceWithoutIt(t *testing.T) {
	address := testenv.Redis(t)
	log, reg := &lines{}, prometheus.NewRegistry()
	config := patient
	config.Log, config.PollInterval = slog.New(slog.NewTextHandler(log, nil)), 5*time.Millisecond
	r := newRegistry(t, config, reg)
	right, wrong := at(t, address), at(t, address)
	wrong.Username, wrong.Password = "gatelab-none", "hunter2"
	good := r.Client(right)
	bad := r.Client(wrong)
	eventually(t, "the wrong one is told", func() bool { return log.count("WRONGPASS") == 1 && bad.state.Load() == stateAway })
	eventually(t, "the right one works", func() bool { return good.state.Load() == stateUp })
	for range 20 { // the right one's polls do not hide the other
		good.read()
		if up := testutil.ToFloat64(r.metrics.up.WithLabelValues(right.Address())); up != 0 {
			t.Fatal("a server that refuses one of its clients is shown as up")
		}
	}
	if log.count("hunter2") > 0 {
		t.Error("the password is in the log")
	}
}

func TestAnACLWithoutInfoIsUp(t *testing.T) {
	address := testenv.Redis(t)
	admin := newRegistry(t, patient, nil).Client(at(t, address))
	err := admin.Do(t.Context(), func(ctx context.Context, rdb redis.Cmdable) error {
		return rdb.(*redis.Client).Do(ctx, "ACL", "SETUSER", "gatelab-narrow", "on", ">p@ss:w/rd#1 %25\"'", "~*", "+get", "+ping").Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	o := at(t, address)
	o.Username, o.Password = "gatelab-narrow", "p@ss:w/rd#1 %25\"'"
	c := newRegistry(t, patient, nil).Client(o)
	eventually(t, "up", func() bool { return c.state.Load() == stateUp })
}
