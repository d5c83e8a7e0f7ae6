package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// refusalWindow is how long a refused plugin is reported, and how long before it a
// change may have been made to be reported with it.
const refusalWindow = 15 * time.Minute

// maxRefusals bounds what is kept of refused plugins, and of changes.
const maxRefusals = 256

// Refusals are the plugins that this replica has refused in the last minutes: a
// route whose plugin was refused serves without it. It is safe for concurrent use;
// nil keeps nothing.
type Refusals struct {
	mu      sync.Mutex
	list    []Refusal
	changed []changedEntity
	total   prometheus.Counter
}

// Refusal is a plugin that was refused.
type Refusal struct {
	Plugin string    `json:"plugin"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`

	// What the plugin was for. Without these it was for all routes, or that is not
	// known.
	Route    UnprotectedEntity `json:"route,omitzero"`
	Service  UnprotectedEntity `json:"service,omitzero"`
	Consumer UnprotectedEntity `json:"consumer,omitzero"`

	// Changed are the services and routes that were created or changed in the minutes
	// before, where it is not known what the plugin was for.
	Changed []string `json:"changed_before,omitempty"`
}

// UnprotectedEntity is an entity whose plugin was refused.
type UnprotectedEntity struct {
	ID   string `json:"id"` // or the name that does not exist
	Name string `json:"name,omitempty"`
}

type changedEntity struct {
	name string
	at   time.Time
}

// NewRefusals makes Refusals and registers their metrics, where reg is not nil.
func NewRefusals(reg prometheus.Registerer) *Refusals {
	f := &Refusals{total: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gateway_plugins_refused_total",
		Help: "Plugins that the Admin API of this replica refused: unknown, or with an invalid configuration.",
	})}
	if reg != nil {
		reg.MustRegister(f.total, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gateway_refused_plugins",
			Help: "Plugins that were refused in the last 15 minutes and not accepted since; GET /status lists them.",
		}, func() float64 { return float64(len(f.recent(time.Now()))) }))
	}
	return f
}

// recent are the refusals of the last minutes, the newest first.
func (f *Refusals) recent(now time.Time) []Refusal {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = slices.DeleteFunc(f.list, func(r Refusal) bool { return now.Sub(r.At) > refusalWindow })
	out := slices.Clone(f.list)
	slices.Reverse(out)
	return out
}

// addTo adds the refusals to GET /status. An empty list says that there are none.
func (f *Refusals) addTo(body map[string]any, now time.Time) {
	if f == nil {
		return
	}
	list := f.recent(now)
	if list == nil {
		list = []Refusal{}
	}
	body["refused_plugins"] = list
}

// same reports whether two refusals are of the same plugin in the same place.
func (r *Refusal) same(o *Refusal) bool {
	return r.Plugin == o.Plugin && r.Route.ID == o.Route.ID && r.Service.ID == o.Service.ID &&
		r.Consumer.ID == o.Consumer.ID
}

// refused notes a plugin.
func (f *Refusals) refused(r *Refusal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.total.Inc()
	if r.Route.ID == "" && r.Service.ID == "" && r.Consumer.ID == "" {
		for _, c := range f.changed {
			if r.At.Sub(c.at) <= refusalWindow && !slices.Contains(r.Changed, c.name) {
				r.Changed = append(r.Changed, c.name)
			}
		}
	}
	f.list = slices.DeleteFunc(f.list, func(o Refusal) bool { return o.same(r) })
	f.list = append(f.list, *r)
	f.list = f.list[max(0, len(f.list)-maxRefusals):]
}

// accepted forgets the refusals of a plugin that is there now.
func (f *Refusals) accepted(r *Refusal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = slices.DeleteFunc(f.list, func(o Refusal) bool { return o.same(r) })
}

// change notes a service or route that was created or changed.
func (f *Refusals) change(name string, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changed = slices.DeleteFunc(f.changed, func(c changedEntity) bool { return c.name == name || at.Sub(c.at) > refusalWindow })
	f.changed = append(f.changed, changedEntity{name, at})
	f.changed = f.changed[max(0, len(f.changed)-maxRefusals):]
}

// noteWrite notes how writing an entity has ended.
func (a *api) noteWrite(ctx context.Context, s *entity.Schema, in, stored entity.Record, err error) {
	f := a.config.Refusals
	if f == nil {
		return
	}
	now := a.config.Now()
	if !s.HasPluginConfig() {
		if err == nil && (s.Name == "services" || s.Name == "routes" || s.Name == "consumers") {
			name, id := stored["name"], stored["id"]
			if name == nil {
				name = id
			}
			text, _ := name.(string)
			f.change(s.Singular+" "+text, now)
		}
		return
	}
	r := in
	if err == nil {
		r = stored
	}
	refusal := &Refusal{At: now}
	refusal.Route.ID, refusal.Service.ID = refText(r, "route"), refText(r, "service")
	refusal.Consumer.ID = refText(r, "consumer")
	refusal.Plugin, _ = r["name"].(string)
	var known *entity.Error
	switch {
	case refusal.Plugin == "": // a change of one that stays as it was
	case err == nil:
		f.accepted(refusal)
	case errors.As(err, &known) && known.Status() < http.StatusInternalServerError && known.Code != entity.CodeNotFound:
		refusal.Reason = known.Message
		a.nameOf(ctx, "routes", &refusal.Route)
		a.nameOf(ctx, "services", &refusal.Service)
		a.nameOf(ctx, "consumers", &refusal.Consumer)
		f.refused(refusal)
	}
}

// nameOf fills in the name of an entity, where it has one and can be read.
func (a *api) nameOf(ctx context.Context, schema string, u *UnprotectedEntity) {
	s, ok := a.config.Schemas.ByName(schema)
	if !ok || u.ID == "" {
		return
	}
	if r, err := a.store.Select(ctx, s, u.ID, nil); err == nil {
		u.Name, _ = r[s.EndpointKey].(string)
	}
}

// noteMissing notes that a client asked for the schema of a plugin that there is
// not: decK does before it writes the plugin, and then stops.
func (a *api) noteMissing(plugin string) {
	if f := a.config.Refusals; f != nil {
		f.refused(&Refusal{Plugin: plugin, At: a.config.Now(), Reason: "the schema of this plugin was asked for, and there is none"})
	}
}

// refText is what a reference names: an id, or a name.
func refText(r entity.Record, field string) string {
	ref, ok := r[field].(map[string]any)
	if !ok {
		text, _ := r[field].(string)
		return text
	}
	for _, key := range []string{"id", "name", "username"} {
		if text, ok := ref[key].(string); ok {
			return text
		}
	}
	return ""
}
