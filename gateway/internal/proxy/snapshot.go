package proxy

import (
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/route"
	"github.com/gatelab/gatelab/gateway/internal/upstream"
)

// snapshot is everything that a request needs, decided beforehand. It never
// changes once it is in use, but for counters.
type snapshot struct {
	revision  int64
	made      time.Time
	table     *route.Table
	routes    []*routeEntry // by the route's slot in the table; noEntry: it is free
	directory *plugin.Directory
	balancers []*upstream.Balancer
	chains    *plugin.Chains
	unrouted  *series // for requests without a route
	label     []byte  // the revision as a header's value; nil: no header is asked for

	certificates *certificates // for clients
	asking       *askingNames  // which clients are asked for theirs; nil: none

	configured map[string]bool // see configuredFields
	squeezed   map[string]bool // the same without marks, see squeeze
	guarded    bool            // a route is

	source    *entity.Config                // that it was made of, before references were resolved
	services  map[string]*entity.Service    // by id
	ofService map[string]*routeEntry        // what the routes of a service have in common
	byService map[string]*upstream.Balancer // see balancers
	asked     map[string]int                // how many routes a service has
	from      *upstream.Source
	elsewhere diversions

	choice *choice // of a trial's snapshot in place of this one; nil: no trial is running
}

// routeEntry is what a route's requests need.
type routeEntry struct {
	route    *entity.Route
	service  *entity.Service // nil: the route has none
	chain    *plugin.Chain
	balancer *upstream.Balancer
	series   *series
	guarded  bool // its plugins ask who the client is
	grpc     bool // the service is asked over HTTP/2
	// grpcRoute says that the route takes gRPC only.
	grpcRoute bool
	host      string // Host header for the upstream, unless the route preserves the client's

	diverted map[plugin.Diversion]*routeEntry // the same with other upstreams; nil: no plugin has any
}

// noEntry is that of a free slot.
var noEntry = &routeEntry{}

// entries are those of n slots, the first of which are known.
func entries(n int, known []*routeEntry) []*routeEntry {
	all := make([]*routeEntry, n)
	for slot := copy(all, known); slot < n; slot++ {
		all[slot] = noEntry
	}
	return all
}

// ApplyError says that a configuration was read, but cannot be put into use.
type ApplyError struct {
	Revision int64
	Err      error
}

func (e *ApplyError) Error() string { return fmt.Sprintf("apply revision %d: %v", e.Revision, e.Err) }

// Unwrap gives the cause.
func (e *ApplyError) Unwrap() error { return e.Err }

// Apply makes a snapshot of a configuration beside the one in use and swaps them.
// On an error, an *ApplyError, the previous revision stays in use. Revisions older
// than the one in use are ignored: notifications may overtake each other.
func (p *Proxy) Apply(cfg *entity.Config) error {
	p.applying.Lock()
	defer p.applying.Unlock()
	old := p.snapshot.Load()
	if old != nil && cfg.Revision < old.revision {
		return nil
	}
	s, err := p.build(cfg, old)
	if err != nil {
		if old != nil {
			old.chains.KeepOnly(p.deps, old.alsoInUse()...) // the failed one may have begun to use others
		}
		return p.refuse(cfg.Revision, err)
	}
	used := s.balancers
	if cfg.Trial != nil {
		s.choice = p.newChoice(cfg.Trial, s)
		if tried := s.choice.snapshot; tried != nil {
			used = slices.Concat(tried.balancers, used) // of health checks, the last ones hold
		}
	}
	p.snapshot.Store(s)
	p.pools.Keep(used)
	s.chains.KeepOnly(p.deps, s.alsoInUse()...)
	return nil
}

// alsoInUse are the chains of a trial.
func (s *snapshot) alsoInUse() []*plugin.Chains {
	if s.choice == nil || s.choice.snapshot == nil {
		return nil
	}
	return []*plugin.Chains{s.choice.snapshot.chains}
}

// Refuse notes that a revision could not even be read, as Apply does of one that
// cannot be applied, and returns the error that Apply would.
func (p *Proxy) Refuse(revision int64, err error) error {
	p.applying.Lock()
	defer p.applying.Unlock()
	return p.refuse(revision, err)
}

func (p *Proxy) refuse(revision int64, err error) error {
	p.broken.Store(max(p.broken.Load(), revision))
	return &ApplyError{revision, err}
}

// label is a revision as the value of X-Gateway-Revision; nil: the header is not asked for.
func (p *Proxy) label(revision int64) []byte {
	if !p.config.RevisionHeader {
		return nil
	}
	return strconv.AppendInt(nil, revision, 10)
}

func nameOr(name, id string) string {
	if name != "" {
		return name
	}
	return id
}

// Revision is the snapshot's; -1 before the first.
func (p *Proxy) Revision() int64 {
	if s := p.snapshot.Load(); s != nil {
		return s.revision
	}
	return -1
}

// snapshotPointer only gives the atomic a name that can be read.
type snapshotPointer = atomic.Pointer[snapshot]
