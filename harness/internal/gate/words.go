package gate

import (
	"fmt"
	"io"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/junit"
	"github.com/gatelab/gatelab/harness/internal/stats"
)

// Line is a decision in one line.
func (d Decision) Line() string {
	return fmt.Sprintf("gate: %s after %d rounds: %s", strings.ToUpper(string(d.Verdict)), d.Rounds, d.Reason)
}

// ExitCode is what a decision's verdict is to a shell: 0 pass, 1 regression, 3
// inconclusive. 2 is kept for a gate that could not run.
func (d Decision) ExitCode() int {
	switch d.Verdict {
	case stats.Pass:
		return 0
	case stats.Fail:
		return 1
	}
	return 3
}

// Markdown is the decision as a summary for a merge request: verdict, a table
// of the metrics, what a reader should know.
func Markdown(w io.Writer, r *Record, d Decision) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## Performance gate: %s\n\n%s.\n\n", strings.ToUpper(string(d.Verdict)), mark(d.Reason))
	if path := r.Arms["baseline"]; path != "" {
		fmt.Fprintf(&b, "Baseline: %s. Head: %s. %d rounds", mark(path), mark(r.Arms[Base]), d.Rounds)
	} else {
		fmt.Fprintf(&b, "Base: %s. Head: %s. %d rounds, both builds side by side in one lab, alternating",
			mark(r.Arms[Base]), mark(r.Arms[Head]), d.Rounds)
	}
	if d.Looks > 1 {
		fmt.Fprintf(&b, ", extended once from %d", r.Rounds)
	}
	b.WriteString(".\n\n")
	b.WriteString("| metric | head / base | one-sided 95% bounds | margin | p (Holm) | verdict |\n| --- | ---: | ---: | ---: | ---: | --- |\n")
	for _, e := range d.Metrics {
		verdict := string(e.Verdict)
		if e.Advisory {
			verdict += " (advisory)"
		}
		if e.Guard && e.Verdict == stats.Inconclusive {
			verdict = "not used"
		}
		if e.Pairs == 0 {
			fmt.Fprintf(&b, "| %s | n/a | n/a | %s | n/a | %s |\n", mark(e.Name), ratio(e.Margin), verdict)
			continue
		}
		p := ratio(e.P)
		if e.Advisory {
			p = "" // no part of the family that is adjusted
		}
		fmt.Fprintf(&b, "| %s | %s | %s to %s | %s | %s | %s |\n",
			mark(e.Name), ratio(e.Ratio), ratio(e.Low), ratio(e.High), ratio(e.Margin), p, verdict)
	}
	b.WriteString("\nerror_rate and slow_share are differences of shares of the requests, all others are ratios, above 1 is more. ")
	b.WriteString("FAIL: wholly beyond the margin. PASS: wholly within. Otherwise inconclusive. ")
	b.WriteString("p99 and slow_share fail a gate like the others; where stalls of the host hide them, they are not used, " +
		"and the other metrics decide.\n")
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "\n- %s", mark(n))
	}
	if len(d.Notes) > 0 {
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func ratio(v float64) string { return fmt.Sprintf("%.3g", v) }

// mark keeps foreign text from becoming markup.
func mark(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "\n", " ").Replace(s)
}

// JUnit is the decision as a test report: a case for each metric, and one for
// the gate as a whole. A metric that fails is a failure, an inconclusive gate is
// an error; advisory and inconclusive metrics are skipped.
func JUnit(w io.Writer, d Decision) error {
	s := junit.Suite{Name: "performance gate"}
	add := func(c junit.Case) {
		c.Class = "gate"
		s.Add(c)
	}
	for _, e := range d.Metrics {
		c := junit.Case{Name: e.Name, Out: e.Reason}
		switch {
		case e.Advisory:
			c.Skipped = &junit.Said{Message: "advisory: " + e.Reason}
		case e.Verdict == stats.Fail:
			c.Failure = &junit.Said{Message: e.Reason}
		case e.Verdict == stats.Inconclusive:
			c.Skipped = &junit.Said{Message: e.Reason}
		}
		add(c)
	}
	whole := junit.Case{Name: "verdict", Out: d.Line()}
	switch d.Verdict {
	case stats.Fail:
		whole.Failure = &junit.Said{Message: d.Reason}
	case stats.Inconclusive:
		whole.Error = &junit.Said{Message: d.Reason}
	}
	add(whole)
	return junit.Write(w, s)
}
