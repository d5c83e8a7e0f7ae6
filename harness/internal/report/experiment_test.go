package report

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// experimental is sample as an experiment, with two overlapping faults.
func experimental() *Result {
	r := sample()
	r.Scenario = "kill-gateway"
	r.Stages = r.Stages[2:]
	r.Experiment = &Experiment{
		Passed: false,
		Expectations: []Expectation{
			{What: "idempotent requests failed", Want: "at most 0", Saw: "3", Met: false},
			{What: "acknowledged writes lost or half there", Want: "0", Saw: "0", Met: true},
		},
		Entries: []Entry{
			{Name: "lb", Method: "GET", RatePerS: 50, Availability: Availability{Probes: 1000, Failed: 3, Availability: 0.997, Low: 0.9912, High: 0.999},
				OutageMS: 40, LongestOutageMS: 40, ResolutionMS: 20, Failures: map[string]uint64{"status_502 by lb": 2, "timeout (no answer)": 1}},
			{Name: "gateway-2", Method: "GET", Information: true, RatePerS: 5, Availability: Availability{Probes: 100, Availability: 1, Low: 0.964, High: 1}},
		},
		Writes: &Writes{Sent: 100, Acknowledged: 97, Unknown: 3, Followed: 12, VisibleP50MS: p(81.0), VisibleMaxMS: p(412.0)},
		Cost:   &FaultCost{FaultsPerMonth: 30, Objective: 0.9995, Faults: 2, LostSPerFault: 0.03, MonthlyAvailability: 0.99999965, BudgetSpent: 0.0007},
		Timeline: []Moment{
			{Offset: 0, Nodes: map[string]uint64{"gateway-1": 17, "gateway-2": 17, "gateway-3": 16}},
			{Offset: 1, Nodes: map[string]uint64{"gateway-1": 24, "gateway-3": 23}, Failed: 3},
		},
		Bands: []Band{{FromS: 0.5, ToS: 1.6, Label: "kill gateway-2"}, {FromS: 1, ToS: 1.4, Label: "flush redis"}},
	}
	return r
}

func TestAnExperimentIsInEveryFormat(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, experimental()); err != nil {
		t.Fatal(err)
	}
	for file, wants := range map[string][]string{
		FileMarkdown: {"**Not as expected: idempotent requests failed: 3, wanted at most 0**", "idempotent requests failed | at most 0 | 3 | NO", "gateway-2 (information)", "2 status_502 by lb, 1 timeout (no answer)",
			"100 sent, 97 acknowledged, 0 lost", "At 30 such faults a month (assumed)", "](timeline.svg)"},
		FileHTML:     {"<td class=\"left\">NO</td>", "kill gateway-2", "probes answered by", "gateway-2 (information)"},
		FileTimeline: {"second 1: 3 failed", "kill gateway-2, second 0.5 to 1.6", "flush redis", "second 1: 24 by gateway-1"},
	} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(b), want) {
				t.Errorf("%s: no %q", file, want)
			}
		}
	}
	back, err := Read(filepath.Join(dir, FileJSON))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range violations(t, []byte(rendered(t, FileJSON, back))) {
		t.Error(problem)
	}
	var table bytes.Buffer
	if err := Table(&table, back, TableOptions{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(table.String(), "acknowledged writes lost or half there") {
		t.Errorf("the terminal shows no expectations:\n%s", table.String())
	}
}

func TestWithoutAnExperimentThereIsNoTimeline(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, sample()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, FileTimeline)); !os.IsNotExist(err) {
		t.Errorf("a timeline of a ladder: %v", err)
	}
}

func TestOverlappingBandsHaveRowsOfTheirOwn(t *testing.T) {
	rows, level := stacked([]Band{{FromS: 0, ToS: 4}, {FromS: 2, ToS: 5}, {FromS: 4, ToS: 6}, {FromS: 4.5, ToS: 6}})
	if rows != 3 || level[0] != 0 || level[1] != 1 || level[2] != 0 || level[3] != 2 {
		t.Errorf("%d rows, levels %v", rows, level)
	}
}
