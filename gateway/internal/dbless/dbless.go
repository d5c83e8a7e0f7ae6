// Package dbless keeps the configuration of a gateway without a database: it is
// read from a declarative file, which is watched, or sent to the Admin API. A
// configuration that is rejected leaves the last one in use.
package dbless

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/declarative"
	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// ErrSame says that a configuration is the one in use.
var ErrSame = errors.New("the configuration is the one in use")

// Config is how a Store works.
type Config struct {
	Path    string                     // of the file; "": none
	Text    string                     // a configuration itself; "": none
	Poll    time.Duration              // how often the file is checked; 0 is 500 ms
	Catalog *entity.Catalog            // of what can be declared
	Apply   func(*entity.Config) error // puts a configuration into use, or rejects it
	Log     *slog.Logger               // nil: none
	Now     func() time.Time           // nil is time.Now
}

// Store holds the configuration in use. It is safe for concurrent use.
type Store struct {
	config  Config
	metrics metrics
	applied chan struct{} // closed by the first configuration in use
	loading sync.Mutex    // one configuration is loaded at a time
	tries   int64         // revisions that were tried; guarded by loading

	mu      sync.RWMutex
	set     *declarative.Set // in use
	status  Status
	indexes map[string]*list
}

// Status says which configuration is in use, and what was wrong with the last one
// that was not put into use.
type Status struct {
	Hash     string    // 32 hexadecimal digits; zeros: there is no configuration yet
	Source   string    // a path, "declarative_config_string" or "POST /config"
	At       time.Time // since when it is in use
	Entities int
	Revision int64

	Error   string    // of the last attempt; "": it succeeded
	ErrorAt time.Time // of that
}

// New makes a Store. Nothing is read before Start.
func New(c Config, reg prometheus.Registerer) *Store {
	if c.Poll == 0 {
		c.Poll = 500 * time.Millisecond
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Store{
		config: c, metrics: newMetrics(reg), applied: make(chan struct{}), set: declarative.NewSet(c.Catalog),
		status: Status{Hash: declarative.EmptyHash}, indexes: map[string]*list{},
	}
}

// Applied is closed when the first configuration is in use.
func (s *Store) Applied() <-chan struct{} { return s.applied }

// Status returns the state of the configuration.
func (s *Store) Status() Status {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.status
}

// Load puts what a file says into use. The error is declarative.Problems where the
// file is invalid; the configuration in use then stays. With unlessSame, it is
// ErrSame where nothing would change.
func (s *Store) Load(data []byte, source string, unlessSame bool) (*declarative.Set, error) {
	file, err := declarative.Read(data, s.config.Catalog)
	if err != nil {
		s.failed(source, err)
		return nil, err
	}
	return s.use(file, source, unlessSame)
}

// LoadObject is Load of what was decoded already.
func (s *Store) LoadObject(root map[string]any, source string, unlessSame bool) (*declarative.Set, error) {
	return s.use(declarative.ReadObject(root, s.config.Catalog), source, unlessSame)
}

func (s *Store) use(file *declarative.File, source string, unlessSame bool) (*declarative.Set, error) {
	s.loading.Lock()
	defer s.loading.Unlock()
	if unlessSame && file.Hash == s.Status().Hash {
		s.mu.Lock()
		s.status.Error, s.status.ErrorAt = "", time.Time{}
		s.mu.Unlock()
		s.metrics.rejected.Set(0)
		return nil, ErrSame
	}
	set, err := s.apply(file)
	if err != nil {
		s.failed(source, err)
		return nil, err
	}
	s.mu.Lock()
	first := s.status.Hash == declarative.EmptyHash
	s.set, s.indexes = set, indexesOf(set)
	s.status = Status{Hash: file.Hash, Source: source, At: s.config.Now(), Entities: set.Len(), Revision: set.Revision}
	s.mu.Unlock()
	s.metrics.loaded(s.config.Now())
	s.config.Log.Info("declarative configuration in use", "source", source, "hash", file.Hash, "entities", set.Len())
	if first {
		close(s.applied)
	}
	return set, nil
}

func (s *Store) apply(file *declarative.File) (*declarative.Set, error) {
	s.mu.RLock()
	known := s.set
	s.mu.RUnlock()
	set, err := file.Complete(known, s.config.Now())
	if err != nil {
		return nil, err
	}
	s.tries++
	set.Revision = s.tries
	config, err := set.Config()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := s.config.Apply(config); err != nil {
		return nil, err
	}
	s.metrics.applySeconds.Observe(time.Since(began).Seconds())
	return set, nil
}

// failed notes that a configuration was not put into use.
func (s *Store) failed(source string, err error) {
	s.mu.Lock()
	s.status.Error, s.status.ErrorAt = fmt.Sprintf("%s: %s", source, err), s.config.Now()
	hash := s.status.Hash
	s.mu.Unlock()
	s.metrics.failed()
	s.config.Log.Error("declarative configuration rejected; keeping the last one", "source", source, "hash_in_use", hash, "error", err)
}

// Revision returns the number of the configuration in use.
func (s *Store) Revision(context.Context) (int64, error) { return s.Status().Revision, nil }

// Publish drops messages to other replicas: there is no way to reach them.
func (s *Store) Publish(context.Context, string) error { return nil }
