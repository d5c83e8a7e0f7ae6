package history

import (
	"math"
	"slices"
	"time"

	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/stats"
)

// Verdict says what a change point means.
type Verdict string

// Verdicts. Unclear is a change whose interval has both sides, or none: of the
// spread, say, or among too few points.
const (
	Better  Verdict = "better"
	Worse   Verdict = "worse"
	Unclear Verdict = "unclear"
)

// confidence of the intervals of Change.
const confidence = 0.95

// Change is a change point: from the points since the one before it (or the
// first point) to the points until the one after it (or the last point).
type Change struct {
	Index int       `json:"index"` // of the first point after it, from 0
	At    time.Time `json:"at"`    // when that point's run started
	P     float64   `json:"p"`
	// Sure is a change that holds across all series that were judged: by chance
	// alone, the probability of one such in any of them is the level.
	Sure    bool    `json:"sure"`
	Before  float64 `json:"before"` // medians
	After   float64 `json:"after"`
	Effect  Effect  `json:"effect"`
	Verdict Verdict `json:"verdict"`
	Blame   Blame   `json:"blame"`
}

// Effect is after to before with its two-sided 95% interval: a ratio, of a Share
// the difference. The interval is absent where there are too few points for it.
type Effect struct {
	Value float64  `json:"value"`
	Low   *float64 `json:"low,omitempty"`
	High  *float64 `json:"high,omitempty"`
}

// Blame is what lies between the last run before a change and the first after it.
type Blame struct {
	LastBefore string   `json:"last_before,omitempty"` // commits
	FirstAfter string   `json:"first_after,omitempty"`
	Command    string   `json:"command,omitempty"` // that lists the commits in question
	Notes      []string `json:"notes"`
	// Differences are what else the manifests do not agree on.
	Differences []result.Difference `json:"differences,omitempty"`
}

// scale is the scale on which the metric's values are compared, and its inverse.
func (m Metric) scale() (to, back func(float64) float64) {
	if m.Share {
		same := func(v float64) float64 { return v }
		return same, same
	}
	return math.Log, math.Exp
}

func (s *Series) scaled() []float64 {
	to, _ := s.Metric.scale()
	out := make([]float64, len(s.Points))
	for i, p := range s.Points {
		out[i] = to(p.Value)
	}
	return out
}

// trend is the median slope of all pairs of points (Theil and Sen), from the
// first point to the last; nil for fewer than three.
func (s *Series) trend() *float64 {
	values := s.scaled()
	n := len(values)
	if n < 3 {
		return nil
	}
	var slopes []float64
	for i := range values {
		for j := i + 1; j < n; j++ {
			slopes = append(slopes, (values[j]-values[i])/float64(j-i))
		}
	}
	_, back := s.Metric.scale()
	out := back(stats.Median(slopes) * float64(n-1))
	return &out
}

// changes are the series' change points; judged is how many series are judged
// together.
func (s *Series) changes(test stats.ChangeTest, judged int) []Change {
	values := s.scaled()
	points := stats.ChangePoints(values, test)
	out := make([]Change, 0, len(points))
	for i, p := range points {
		from, until := 0, len(values)
		if i > 0 {
			from = points[i-1].Index
		}
		if i+1 < len(points) {
			until = points[i+1].Index
		}
		out = append(out, s.change(p, values[from:p.Index], values[p.Index:until], p.P*float64(judged) <= test.Level))
	}
	return out
}

func (s *Series) change(p stats.ChangePoint, before, after []float64, sure bool) Change {
	_, back := s.Metric.scale()
	shift := stats.Shifted(before, after, confidence)
	c := Change{
		Index: p.Index, At: s.Points[p.Index].At, P: p.P, Sure: sure,
		Before: back(stats.Median(before)), After: back(stats.Median(after)),
		Effect: Effect{Value: back(shift.Middle)}, Verdict: Unclear,
		Blame: blameOf(&s.Points[p.Index-1], &s.Points[p.Index]),
	}
	if math.IsInf(shift.Low, 0) {
		return c
	}
	low, high := back(shift.Low), back(shift.High)
	c.Effect.Low, c.Effect.High = &low, &high
	switch {
	case shift.Low > 0 && s.Metric.HigherBetter, shift.High < 0 && !s.Metric.HigherBetter:
		c.Verdict = Better
	case shift.Low > 0, shift.High < 0:
		c.Verdict = Worse
	}
	return c
}

func blameOf(before, after *Point) Blame {
	b := Blame{LastBefore: before.Commit, FirstAfter: after.Commit, Notes: []string{}}
	switch {
	case before.Commit == "" || after.Commit == "":
		b.Notes = append(b.Notes, "a commit is not known")
	case before.Commit == after.Commit && !before.Dirty && !after.Dirty:
		b.Notes = append(b.Notes, "the commit is the same: look at the machine and at what else differs")
	case before.Commit != after.Commit && isHex(before.Commit) && isHex(after.Commit):
		b.Command = "git log --oneline " + short(before.Commit) + ".." + short(after.Commit)
	}
	if before.Dirty {
		b.Notes = append(b.Notes, "the last run before had changes that were not committed")
	}
	if after.Dirty {
		b.Notes = append(b.Notes, "the first run after had changes that were not committed")
	}
	if before.Version != after.Version {
		b.Differences = append(b.Differences, result.Difference{Name: "the arm's version", First: before.Version, Second: after.Version})
	}
	apart := []string{"commit", "version", "seed"}
	for _, d := range result.Differences(before.run, after.run) {
		if !slices.Contains(apart, d.Name) {
			b.Differences = append(b.Differences, d)
		}
	}
	return b
}

func short(commit string) string { return commit[:min(len(commit), 12)] }

// isHex keeps what is no commit's name out of a command that people paste.
func isHex(s string) bool {
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}
