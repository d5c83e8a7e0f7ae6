package gate

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Run is the record of a gate with the name of its run.
type Run struct {
	Name   string
	Record *Record
}

// ReplayOptions say what WriteReplay estimates.
type ReplayOptions struct {
	Times  int       // how often rounds are drawn for each figure
	Seed   uint64    // of the draws
	Ratios []float64 // regressions to inject; 1 gives the rate of false alarms
	// Equal says that all runs compared equal builds: head, as in a gate, is the build that is made slower, and draws exchange the arms of
	// a round. Otherwise it is base's second replica.
	Equal bool
}

// WriteReplay decides each run again, and writes a table of the gate's error rates, estimated by resampling the rounds of all runs.
func WriteReplay(w io.Writer, runs []Run, o ReplayOptions) error {
	t := replayTable{out: w, options: o, arm: Again, unchanged: "nothing: base's second replica"}
	if o.Equal {
		t.arm, t.unchanged = Head, "nothing: head is base's build"
	}
	rounds, builds := 0, true // builds: every run built a head
	for _, run := range runs {
		r := run.Record
		if base, head := r.Arms[Base], r.Arms[Head]; o.Equal && !strings.HasSuffix(head, base) {
			return fmt.Errorf("--equal: %s compared %q with %q: want runs whose head is the base's commit, or leave the flag out",
				run.Name, base, head)
		}
		t.records = append(t.records, r)
		rounds += r.Measured()
		if builds = builds && r.Arms[Head] != ""; builds {
			fmt.Fprintf(w, "%s, as it is: %s\n", run.Name, Decide(r, r.Measured()).Line())
		}
	}
	fmt.Fprintf(w, "\n%d recorded rounds of %d gates, each verdict %d times\n\n", rounds, len(runs), o.Times)
	fmt.Fprintf(w, "%-32s %8s %8s %8s %14s %9s\n", "slower in", "ratio", "pass", "fail", "inconclusive", "extended")
	if builds && !o.Equal {
		if err := t.row("head as it was measured", Head, 1, false); err != nil {
			return err
		}
	}
	return t.rows()
}

// replayTable is a table of error rates that is being written.
type replayTable struct {
	out       io.Writer
	options   ReplayOptions
	records   []*Record
	arm       string // that is made slower
	unchanged string // what the row of ratio 1 compares
}

// rows writes a row for ratio 1, and two for each other ratio: with CPU alone, and with latency as well.
func (t *replayTable) rows() error {
	for _, ratio := range t.options.Ratios {
		if ratio == 1 {
			if err := t.row(t.unchanged, t.arm, 1, true); err != nil {
				return err
			}
			continue
		}
		for _, cpuOnly := range []bool{true, false} {
			if err := t.row("", t.arm, ratio, cpuOnly); err != nil {
				return err
			}
		}
	}
	return nil
}

// row writes one row; what is its name, by default what was made slower.
func (t *replayTable) row(what, arm string, ratio float64, cpuOnly bool) error {
	r, err := Replay(t.records, Draws{
		Arm: arm, Ratio: ratio, CPUOnly: cpuOnly, Equal: t.options.Equal, Times: t.options.Times, Seed: t.options.Seed,
	})
	if err != nil {
		return err
	}
	if what == "" {
		what = r.What
	}
	_, err = fmt.Fprintf(t.out, "%-32s %8.2f %7.1f%% %7.1f%% %13.1f%% %8.1f%%\n",
		what, ratio, r.Pass*100, r.Fail*100, r.Inconclusive*100, r.Extended*100)
	if err != nil || ratio != 1 {
		return err
	}
	return t.untold(r.Untold)
}

// untold writes what left verdicts open, the most frequent first.
func (t *replayTable) untold(by map[string]float64) error {
	names := slices.SortedFunc(maps.Keys(by), func(a, b string) int {
		return cmp.Or(cmp.Compare(by[b], by[a]), cmp.Compare(a, b))
	})
	for _, name := range names {
		if _, err := fmt.Fprintf(t.out, "  left open by %-49s %13.1f%%\n", name, by[name]*100); err != nil {
			return err
		}
	}
	return nil
}
