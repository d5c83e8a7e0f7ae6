package report

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/gatelab/gatelab/harness/internal/result"
)

// Bench writes the Go benchmark format, which benchstat reads: one line for
// each stage and round, so that rounds are samples of one benchmark. What is
// known of a whole stage only (CPU, hit ratio) is on its first round's line. A
// stage that is not valid has /INVALID in its name, so that it is never compared
// with a valid one, and its reasons in a comment. What differs from run to run
// (commit, run) is a comment too: as configuration it would keep benchstat from
// comparing two runs. The Result must be settled.
func Bench(w io.Writer, r *result.Result) error {
	b := bufio.NewWriter(w)
	goos, goarch, _ := strings.Cut(r.Manifest.Platform, "/") // benchstat groups by both
	for _, c := range []fact{
		{"goos", goos}, {"goarch", goarch}, {"pkg", "gatelab/scenarios/" + word(r.Scenario)}, {"cpu", r.Manifest.CPUModel},
		{"profile", r.Profile}, {"runtime", r.Runtime}, {"# commit", r.Manifest.Commit}, {"# run", r.RunID},
	} {
		if c.Value != "" {
			fmt.Fprintf(b, "%s: %s\n", c.Name, line(c.Value))
		}
	}
	for _, unit := range []fact{
		{"closed-qps", "better=higher"}, {"open-p50-ms", "better=lower"}, {"open-p99-ms", "better=lower"}, {"open-error-ratio", "better=lower"},
		{"cpu-us/req", "better=lower"}, {"hit-ratio", "better=higher"}, {"availability", "better=higher"},
	} {
		fmt.Fprintf(b, "Unit %s %s\n", unit.Name, unit.Value)
	}
	fmt.Fprintln(b)
	for i := range r.Stages {
		stageBench(b, r, &r.Stages[i])
	}
	if r.Matrix != nil {
		matrixBench(b, r)
	}
	return b.Flush()
}

// matrixBench has a line for each cell that was measured: the policy, then the gateway.
func matrixBench(b *bufio.Writer, r *result.Result) {
	for i := range r.Matrix.Rows {
		row := &r.Matrix.Rows[i]
		for j := range row.Cells {
			c := &row.Cells[j]
			if c.Outcome != result.CellMeasured {
				fmt.Fprintf(b, "# %s %s: %s: %s\n", word(row.Policy), word(c.Arm), c.Outcome, line(strings.Join(c.Reasons, "; ")))
				continue
			}
			fmt.Fprintf(b, "Benchmark%s/%s/%s-%d 1", capital(word(r.Scenario)), word(row.Policy), word(c.Arm), max(r.Manifest.Cores, 1))
			for _, v := range []benchValue{
				{"cpu-us/req", c.CPUUS}, {"open-p50-ms", c.P50MS}, {"open-p99-ms", c.P99MS}, {"closed-qps", c.QPS}, {"memory-MiB", c.MemoryMiB},
			} {
				if v.value != nil {
					fmt.Fprintf(b, " %s %s", strconv.FormatFloat(*v.value, 'g', 6, 64), v.unit)
				}
			}
			fmt.Fprintln(b)
		}
	}
}

func stageBench(b *bufio.Writer, r *result.Result, s *result.Stage) {
	name := "Benchmark" + capital(word(r.Scenario)) + "/" + word(s.Name)
	if !s.Valid {
		name += "/INVALID"
		fmt.Fprintf(b, "# INVALID %s: %s\n", word(s.Name), line(strings.Join(s.InvalidReasons, "; ")))
	}
	if r.Manifest.Cores > 1 {
		name += "-" + strconv.Itoa(r.Manifest.Cores)
	}
	for round := 1; round <= max(1, s.LastRound()); round++ {
		requests, values := benchRound(s, round)
		if round == 1 {
			values = append(values, benchValue{"cpu-us/req", s.CPUTotalUS()}, benchValue{"hit-ratio", s.HitRatio()},
				benchValue{"availability", s.AvailabilityShare()})
			for _, role := range s.Roles() {
				us := s.CPUPerRequestUS[role]
				values = append(values, benchValue{"cpu-us/req-" + word(role), &us})
			}
		}
		text := ""
		for _, v := range values {
			if v.value != nil {
				text += "\t" + strconv.FormatFloat(*v.value, 'g', 6, 64) + " " + v.unit
			}
		}
		if text != "" { // the format does not allow a line without a value
			fmt.Fprintf(b, "%s\t%d%s\n", name, max(1, requests), text)
		}
	}
}

// benchValue is a value with its unit in the benchmark format.
type benchValue struct {
	unit  string
	value *float64
}

// benchRound are the figures of one round; of a stage without attacks, the merged
// ones.
func benchRound(s *result.Stage, n int) (requests uint64, values []benchValue) {
	if len(s.Attacks) == 0 {
		if s.Requests != nil {
			requests = *s.Requests
		}
		return requests, []benchValue{
			{"closed-qps", s.QPS}, {"open-p50-ms", s.P50()}, {"open-p99-ms", s.P99()}, {"open-error-ratio", s.ErrorRate},
		}
	}
	for _, a := range s.Attacks {
		if a.Round != n {
			continue
		}
		requests += a.Requests
		if a.Model == result.Closed {
			values = append(values, benchValue{"closed-qps", a.QPS})
			continue
		}
		if l := a.LatencyMS; l != nil {
			values = append(values, benchValue{"open-p50-ms", l.P50}, benchValue{"open-p99-ms", l.P99})
		}
		values = append(values, benchValue{"open-error-ratio", a.ErrorRate})
	}
	return requests, values
}

// word keeps a name from breaking the format: no blanks, no slashes.
func word(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsSpace(c) || c == '/' || !unicode.IsPrint(c) {
			return '_'
		}
		return c
	}, s)
}

func capital(s string) string {
	for i, c := range s {
		return string(unicode.ToUpper(c)) + s[i+len(string(c)):]
	}
	return s
}
