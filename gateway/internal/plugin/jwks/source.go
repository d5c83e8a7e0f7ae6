package jwks

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// RetryAfter is how long the server is not asked again because of a key that is not
// known, or because it did not answer.
const RetryAfter = 10 * time.Second

// maxWaiting is how many requests wait for keys at once; others are refused.
const maxWaiting = 256

var (
	// ErrUnknownKey says that no key of the set can have signed the token.
	ErrUnknownKey = errors.New("no key of the set fits the token")
	// ErrUnavailable says that there are no keys yet.
	ErrUnavailable = errors.New("there are no keys yet")
	// ErrSignature says that no key that fits the token has signed it.
	ErrSignature = errors.New("the signature is wrong")
)

// Source is the keys of one server. It is safe for concurrent use. A goroutine runs
// only while the server is asked, and ends by the time-out of that.
type Source struct {
	fetch   func(context.Context) ([]byte, error)
	refresh time.Duration
	log     *slog.Logger
	now     func() time.Time

	mu      sync.Mutex
	keys    []Key // the last that could be read; nil: none yet
	at      time.Time
	tried   time.Time
	current chan struct{} // closed when the server has answered; nil: it is not asked
	waiting int
}

// NewSource makes a source. fetch, which takes a bounded time, gets the set from the
// server; it is called when keys are older than refresh and a token comes, or when a
// token names a key that is not known, then at most every RetryAfter.
func NewSource(fetch func(context.Context) ([]byte, error), refresh time.Duration, log *slog.Logger) *Source {
	return &Source{fetch: fetch, refresh: refresh, log: log, now: time.Now}
}

// Start asks the server, so that the first token need not wait.
func (s *Source) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.ask()
	}
}

// ask begins to ask the server, unless that is under way or was just tried. It
// returns what is closed when it has answered, nil where it is not asked. The caller
// holds mu.
func (s *Source) ask() <-chan struct{} {
	now := s.now()
	switch {
	case s.current != nil:
		return s.current
	case !s.tried.IsZero() && now.Sub(s.tried) < RetryAfter:
		return nil
	}
	done := make(chan struct{})
	s.tried, s.current = now, done
	go func() {
		raw, err := s.fetch(context.Background())
		var keys []Key
		if err == nil {
			keys, err = Parse(raw)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if err == nil {
			s.keys, s.at = keys, s.now()
		} else {
			s.log.Warn("keys for tokens cannot be read; keeping the last ones", "error", err, "have", len(s.keys))
		}
		s.current = nil
		close(done)
	}()
	return done
}

// Verify checks the signature of a token, with the keys that its header names.
func (s *Source) Verify(token *jwt.Token, signed string) error {
	keys, done, err := s.fitting(token)
	if done != nil {
		<-done // fetch takes a bounded time
		s.mu.Lock()
		s.waiting--
		s.mu.Unlock()
		keys, done, err = s.fitting(token)
		if done != nil { // asked again by another one
			s.mu.Lock()
			s.waiting--
			s.mu.Unlock()
			err = ErrUnknownKey
		}
	}
	if err != nil {
		return err
	}
	for _, k := range keys {
		if token.Method.Verify(signed, token.Signature, k.Public) == nil {
			return nil
		}
	}
	return ErrSignature
}

// fitting are the keys that may have signed a token. wait, where it is not nil, is to
// be waited for first: the caller is counted in waiting.
func (s *Source) fitting(token *jwt.Token) (keys []Key, wait <-chan struct{}, err error) {
	kid, named := token.Header["kid"].(string)
	alg := token.Method.Alg()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		if (!named || k.ID == kid) && slices.Contains(k.Algorithms, alg) {
			keys = append(keys, k)
		}
	}
	if len(keys) > 0 {
		if s.now().Sub(s.at) >= s.refresh {
			s.ask() // in the background
		}
		return keys, nil, nil
	}
	if s.waiting < maxWaiting {
		if wait = s.ask(); wait != nil {
			s.waiting++
			return nil, wait, nil
		}
	}
	if s.keys == nil {
		return nil, nil, ErrUnavailable
	}
	return nil, nil, ErrUnknownKey
}
