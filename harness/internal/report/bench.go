package report

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
)

// Bench writes the Go benchmark format, which benchstat reads: one line for
// each stage and round, so that rounds are samples of one benchmark. What is
// known of a whole stage only (CPU, hit ratio) is on its first round's line. A
// stage that is not valid has /INVALID in its name, so that it is never compared
// with a valid one, and its reasons in a comment. What differs from run to run
// (commit, run) is a comment too: as configuration it would keep benchstat from
// comparing two runs. The Result must be settled.
func Bench(w io.Writer, r *Result) error {
	b := bufio.NewWriter(w)
	goos, goarch, _ := strings.Cut(r.Manifest.OS, "/")
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
	return b.Flush()
}

func stageBench(b *bufio.Writer, r *Result, s *Stage) {
	name := "Benchmark" + capital(word(r.Scenario)) + "/" + word(s.Name)
	if !s.Valid {
		name += "/INVALID"
		fmt.Fprintf(b, "# INVALID %s: %s\n", word(s.Name), line(strings.Join(s.InvalidReasons, "; ")))
	}
	if r.Manifest.Cores > 1 {
		name += "-" + strconv.Itoa(r.Manifest.Cores)
	}
	for round := 1; round <= max(1, s.rounds()); round++ {
		requests, values := s.round(round)
		if round == 1 {
			values = append(values, measured{"cpu-us/req", s.cpuTotal()}, measured{"hit-ratio", s.hitRatio()}, measured{"availability", s.availability()})
			for _, role := range s.roles() {
				us := s.CPUPerRequestUS[role]
				values = append(values, measured{"cpu-us/req-" + word(role), &us})
			}
		}
		text := ""
		for _, v := range values {
			if v.value != nil {
				text += "\t" + strconv.FormatFloat(*v.value, 'g', 6, 64) + " " + v.unit
			}
		}
		if text != "" { // a line without a value is no result
			fmt.Fprintf(b, "%s\t%d%s\n", name, max(1, requests), text)
		}
	}
}

// measured is a value with its unit in the benchmark format.
type measured struct {
	unit  string
	value *float64
}

// rounds is the highest round of which there is an attack.
func (s *Stage) rounds() int {
	n := 0
	for _, a := range s.Attacks {
		n = max(n, a.Round)
	}
	return n
}

// round is one round's own figures; a stage without attacks has its merged ones.
func (s *Stage) round(n int) (requests uint64, values []measured) {
	if len(s.Attacks) == 0 {
		if s.Requests != nil {
			requests = *s.Requests
		}
		return requests, []measured{{"closed-qps", s.QPS}, {"open-p50-ms", s.p50()}, {"open-p99-ms", s.p99()}, {"open-error-ratio", s.ErrorRate}}
	}
	for _, a := range s.Attacks {
		if a.Round != n {
			continue
		}
		requests += a.Requests
		if a.Model == Closed {
			values = append(values, measured{"closed-qps", a.QPS})
			continue
		}
		if l := a.LatencyMS; l != nil {
			values = append(values, measured{"open-p50-ms", l.P50}, measured{"open-p99-ms", l.P99})
		}
		values = append(values, measured{"open-error-ratio", a.ErrorRate})
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
