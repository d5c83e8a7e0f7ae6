package cache

import (
	"crypto/sha256"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gatelab/gatelab/gateway/internal/redisconn"
	"github.com/gatelab/gatelab/internal/testenv"
)

func TestMain(m *testing.M) {
	testenv.RunWithoutLeaks(m, goleak.IgnoreAnyFunction("github.com/gatelab/gatelab/internal/testenv.spawn.func1"))
}

// fields are headers for tests: name, value, name, value.
type fields map[string][][]byte

func (f fields) PeekAll(name string) [][]byte { return f[http.CanonicalHeaderKey(name)] }

func header(pairs ...string) fields {
	f := fields{}
	for i := 0; i < len(pairs); i += 2 {
		name := http.CanonicalHeaderKey(pairs[i])
		f[name] = append(f[name], []byte(pairs[i+1]))
	}
	return f
}

func keyOf(s string) Key { return sha256.Sum256([]byte(s)) }

// response is an entry that is fresh for a minute.
func response(body string, vary ...string) *Entry {
	now := time.Now()
	until := now.Add(time.Minute)
	return &Entry{Status: 200, Body: []byte(body), Vary: vary, Generated: now, FreshUntil: until,
		StaleWhileRevalidate: until, StaleIfError: until, KeepUntil: until,
		Header: []Field{{Name: []byte("Content-Type"), Value: []byte("application/json")}}}
}

func newStore(t testing.TB, cfg Config) *Store {
	t.Helper()
	s, err := New(cfg, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newClient(t testing.TB, o redisconn.Options) *redisconn.Client {
	t.Helper()
	r := redisconn.NewRegistry(redisconn.Config{DialTimeout: 10 * time.Second, Timeout: time.Second, BreakFor: 10 * time.Millisecond}, nil)
	t.Cleanup(func() { _ = r.Close() })
	return r.Client(o)
}

// byFreshness judges as a request without any directives does.
func byFreshness(e *Entry) Verdict { return ParseCacheControl(nil).Judge(e, time.Now()) }

func query(key string, request fields) Query {
	return Query{Key: keyOf(key), URI: keyOf("URI " + key), Request: request, Judge: byFreshness}
}

// eventually waits for what another goroutine must bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came: %s", what)
		}
	}
}
