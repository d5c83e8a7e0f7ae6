package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/gatelab/gatelab/gateway/internal/plugin/fetching"
)

// StapleEvery is for Config.Staple.
const StapleEvery = 5 * time.Second

const (
	stapleTimeout  = 5 * time.Second // of one question
	stapleLeast    = time.Minute     // between two questions about a certificate
	stapleMost     = time.Hour       // after failures, and where an answer does not say when there will be a newer one
	stapleTogether = 4               // questions
	clockSkew      = 5 * time.Minute
)

// staple is what is known of a certificate's status. It never changes.
type staple struct {
	certificate *tls.Certificate // with the answer; nil: there is none
	until       time.Time        // the answer holds
	next        time.Time        // it is asked for again
	failures    int              // in a row
}

// stapled is the certificate with the answer of its authority, where there is one that
// still holds.
func (k *keyPair) stapled() *tls.Certificate {
	if s := k.staple.Load(); s != nil && s.certificate != nil && time.Now().Before(s.until) {
		return s.certificate
	}
	return &k.parsed
}

// stapler asks authorities for the status of the certificates in use, in the
// background: no handshake waits for it.
type stapler struct {
	certificates func() *certificates // nil: there are none yet
	client       *fetching.Client
	log          *slog.Logger
	slots        chan struct{}
	wg           sync.WaitGroup
	stop         context.CancelFunc

	mu    sync.Mutex
	files map[*tls.Certificate]*keyPair // that are in no configuration
}

// file has the stapler ask about a certificate that is in no configuration, once for
// all listeners that present it.
func (s *stapler) file(c *tls.Certificate) *keyPair {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.files[c]
	if k == nil {
		k = &keyPair{parsed: *c}
		s.files[c] = k
	}
	return k
}

// inUse are the certificates that clients may get, each as often as it has names.
func (s *stapler) inUse() []*keyPair {
	s.mu.Lock()
	pairs := slices.Collect(maps.Values(s.files))
	s.mu.Unlock()
	if c := s.certificates(); c != nil {
		pairs = slices.AppendSeq(pairs, maps.Values(c.byName))
	}
	return pairs
}

func startStapler(every time.Duration, log *slog.Logger, of func() *certificates) *stapler {
	s := &stapler{
		certificates: of, client: fetching.New(stapleTimeout), log: log, slots: make(chan struct{}, stapleTogether),
		files: map[*tls.Certificate]*keyPair{},
	}
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	s.wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				s.look(ctx, now)
			}
		}
	})
	return s
}

func (s *stapler) close() {
	s.stop()
	s.wg.Wait()
	s.client.Close()
}

// look asks about each certificate whose time has come, once for all of its names.
func (s *stapler) look(ctx context.Context, now time.Time) {
	seen := map[*keyPair]bool{}
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, k := range s.inUse() {
		if had := k.staple.Load(); seen[k] || had != nil && now.Before(had.next) {
			continue
		}
		seen[k] = true
		select {
		case <-ctx.Done():
			return
		case s.slots <- struct{}{}:
		}
		wg.Go(func() {
			defer func() { <-s.slots }()
			s.renew(ctx, k)
		})
	}
}

// renew asks about a certificate. What was known holds on when that fails.
func (s *stapler) renew(ctx context.Context, k *keyPair) {
	leaf, issuer := k.chain()
	if issuer == nil || len(leaf.OCSPServer) == 0 {
		k.staple.Store(&staple{next: time.Now().Add(stapleMost)})
		return
	}
	made, err := s.ask(ctx, k, leaf, issuer)
	if err != nil {
		made = &staple{failures: 1}
		if had := k.staple.Load(); had != nil {
			made.certificate, made.until = had.certificate, had.until
			made.failures += had.failures
		}
		made.next = time.Now().Add(min(stapleLeast<<min(made.failures-1, 10), stapleMost))
		if ctx.Err() == nil {
			s.log.Warn("no OCSP answer to staple", "names", leaf.DNSNames, "error", err)
		}
	}
	k.staple.Store(made)
}

// chain are the certificate and the one that has signed it, nil where that is not there.
func (k *keyPair) chain() (leaf, issuer *x509.Certificate) {
	leaf, err := x509.ParseCertificate(k.parsed.Certificate[0])
	if err != nil || len(k.parsed.Certificate) < 2 {
		return leaf, nil
	}
	if issuer, err = x509.ParseCertificate(k.parsed.Certificate[1]); err != nil {
		return leaf, nil
	}
	return leaf, issuer
}

var (
	errNotHTTP   = errors.New("the certificate's OCSP address is none of http")
	errNotGood   = errors.New("the authority does not say that the certificate is good")
	errOldAnswer = errors.New("the answer is too old, or of the future")
)

// ask makes one question and checks the answer: its signature, the certificate that it
// is about, its times. An answer that is not "good" is not stapled.
func (s *stapler) ask(ctx context.Context, k *keyPair, leaf, issuer *x509.Certificate) (*staple, error) {
	server := leaf.OCSPServer[0]
	if !strings.HasPrefix(strings.ToLower(server), "http://") {
		return nil, errNotHTTP
	}
	question, err := ocsp.CreateRequest(leaf, issuer, nil)
	if err != nil {
		return nil, fmt.Errorf("make an OCSP request: %w", err)
	}
	raw, err := s.client.Get(ctx, strings.TrimSuffix(server, "/")+"/"+url.QueryEscape(base64.StdEncoding.EncodeToString(question)))
	if err != nil {
		return nil, err
	}
	answer, err := ocsp.ParseResponseForCert(raw, leaf, issuer)
	if err != nil {
		return nil, fmt.Errorf("read an OCSP answer: %w", err)
	}
	now, until := time.Now(), answer.NextUpdate
	if until.IsZero() {
		until = now.Add(stapleMost)
	}
	switch {
	case answer.Status != ocsp.Good:
		return nil, errNotGood
	case answer.ThisUpdate.After(now.Add(clockSkew)) || !until.After(now):
		return nil, errOldAnswer
	}
	with := k.parsed // a copy
	with.OCSPStaple = raw
	// Half of the time that is left is for questions that fail.
	return &staple{certificate: &with, until: until, next: now.Add(max(until.Sub(now)/2, stapleLeast))}, nil
}
