package history

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/gate"
	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/stats"
)

// Schema is the version of a History in JSON.
const Schema = "gatelab/history/v1"

// Options say what is judged, and how.
type Options struct {
	Scenario string // only this one; empty: all
	Last     int    // so many points of each series at most, the newest; MinLast to MaxLast
	// Level is the probability of a change point in a series that has none.
	Level float64
}

// Limits of Options.Last.
const (
	MinLast = stats.MinSeries
	MaxLast = 500
)

// Validate names the field that is not allowed.
func (o Options) Validate() error {
	switch {
	case o.Last < MinLast || o.Last > MaxLast:
		return fmt.Errorf("last: %d is not allowed: want %d to %d points", o.Last, MinLast, MaxLast)
	case !(o.Level >= 0.001 && o.Level <= 0.2):
		return fmt.Errorf("level: %v is not allowed: want 0.001 to 0.2", o.Level)
	}
	return nil
}

// History is what was found in many runs.
type History struct {
	Schema string  `json:"schema"`
	Level  float64 `json:"level"`
	Judged int     `json:"judged"` // series that are long enough for change points
	Left   Left    `json:"left_out"`
	Groups []Group `json:"groups"`
}

// Left counts what is no part of any series.
type Left struct {
	Runs       int          `json:"runs"`       // that were read, these among them
	Duplicates int          `json:"duplicates"` // results of a run that another file has too
	Invalid    int          `json:"invalid"`    // stages and arms
	OtherArms  int          `json:"other_arms"` // of gates
	Unmeasured int          `json:"unmeasured"` // arms that were excluded, failed or lack the policy
	Unreadable []Unreadable `json:"unreadable"`
}

// Unreadable is a file that is no result.
type Unreadable struct {
	Path    string `json:"path"`
	Problem string `json:"problem"`
}

// Key is what runs have in common that may be compared.
type Key struct {
	Scenario string `json:"scenario"`
	Profile  string `json:"profile,omitempty"`
	Runtime  string `json:"runtime"`
	Stage    string `json:"stage"`   // of a comparison of gateways: policy/arm
	Machine  string `json:"machine"` // cores and CPU model
}

// String is the key in words.
func (k Key) String() string {
	words := []string{k.Scenario}
	if k.Profile != "" {
		words = append(words, k.Profile)
	}
	return strings.Join(append(words, k.Runtime, k.Stage), " / ") + " on " + k.Machine
}

// Group is the series of one key.
type Group struct {
	Key
	Notes  []string `json:"notes"` // what to keep in mind
	Series []Series `json:"series"`
}

// Series are the values of one metric, in the order of time.
type Series struct {
	Metric  Metric   `json:"metric"`
	Points  []Point  `json:"points"`
	Trend   *float64 `json:"trend,omitempty"` // from the first point to the last: a ratio, of a Share a difference
	Judged  bool     `json:"judged"`          // long enough for change points
	Changes []Change `json:"changes"`
}

// Point is one run's value.
type Point struct {
	At     time.Time `json:"at"`
	RunID  string    `json:"run_id"`
	Commit string    `json:"commit,omitempty"`
	Dirty  bool      `json:"dirty,omitempty"`
	// Version is the arm's, in a comparison of gateways.
	Version string  `json:"version,omitempty"`
	Value   float64 `json:"value"`

	load load
	run  *result.Result
}

// Of finds the trends and change points of runs, in any order.
func Of(runs []*result.Result, o Options) *History {
	h := &History{Schema: Schema, Level: o.Level, Groups: []Group{}}
	h.Left.Unreadable = []Unreadable{}
	c := collector{history: h, values: map[Key]map[string][]Point{}}
	seen := map[string]bool{}
	for _, r := range runs {
		if o.Scenario != "" && r.Scenario != o.Scenario {
			continue
		}
		h.Left.Runs++
		id := r.RunID + r.StartedAt.UTC().Format(time.RFC3339Nano)
		if seen[id] {
			h.Left.Duplicates++
			continue
		}
		seen[id] = true
		c.add(r)
	}
	c.group(o.Last)
	h.judge()
	return h
}

// judge finds every series' trend and change points. The number of permutations
// follows that of series: a change that holds across all of them wants a p-value
// of Level/Judged.
func (h *History) judge() {
	all := h.series()
	for _, s := range all {
		s.Judged = len(s.Points) >= stats.MinSeries
		if s.Judged {
			h.Judged++
		}
	}
	test := stats.ChangeTest{Level: h.Level, Permutations: max(1999, int(math.Ceil(2*float64(h.Judged)/h.Level))), Seed: 1}
	for _, s := range all {
		s.Trend, s.Changes = s.trend(), []Change{}
		if s.Judged {
			s.Changes = s.changes(test, h.Judged)
		}
	}
}

func (h *History) series() (out []*Series) {
	for i := range h.Groups {
		for j := range h.Groups[i].Series {
			out = append(out, &h.Groups[i].Series[j])
		}
	}
	return out
}

// Worse are the series whose newest segment is worse than the one before it, by
// a change that holds across all series.
func (h *History) Worse() (out []string) {
	for _, g := range h.Groups {
		for _, s := range g.Series {
			if n := len(s.Changes); n > 0 && s.Changes[n-1].Sure && s.Changes[n-1].Verdict == Worse {
				out = append(out, line(g.Stage)+" "+s.Metric.Name)
			}
		}
	}
	return out
}

// armOf is the arm of a gate's stage; empty for one of another run.
func armOf(r *result.Result, stage string) string {
	if r.Comparison == nil {
		return ""
	}
	i := strings.LastIndexByte(stage, '/')
	if arm := stage[i+1:]; i > 0 && slices.Contains([]string{gate.Base, gate.Head, gate.Again}, arm) {
		return arm
	}
	return ""
}
