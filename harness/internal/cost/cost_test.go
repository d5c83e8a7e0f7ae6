package cost

import (
	"bytes"
	"math"
	"os"
	"strings"
	"testing"
)

func list(t *testing.T, name string) *Prices {
	t.Helper()
	b, err := os.ReadFile("../../../prices/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var month = Traffic{Requests: 1e7, PeakFactor: 10, ResponseKiB: 1}

func TestThePublishedTableIsReproduced(t *testing.T) {
	want := map[string]float64{
		"AWS API Gateway": 480, "Kong on EC2, self-hosted": 150, "Kong with Cloudflare": 120, "Tyk": 150, "nginx": 60,
	}
	rows := Alternatives(list(t, "published"), month)
	for _, r := range rows {
		if r.Monthly == nil || *r.Monthly != want[r.Name] {
			t.Errorf("%s: %v, want %v", r.Name, r.Monthly, want[r.Name])
		}
		delete(want, r.Name)
	}
	if len(want) > 0 {
		t.Errorf("not in the table: %v", want)
	}
	if !strings.Contains(rows[2].Remark, "its own items add up to 95, not 120") {
		t.Errorf("the sum that contradicts itself is not told: %q", rows[2].Remark)
	}
	if !strings.Contains(rows[0].Remark, "these requests cost 35") {
		t.Errorf("480 is not compared with the list price: %q", rows[0].Remark)
	}
}

func TestAPublishedSumIsNotStretched(t *testing.T) {
	other := month
	other.Requests = 1e9
	for _, r := range Alternatives(list(t, "published"), other) {
		if r.Name == "AWS API Gateway" {
			if r.Monthly == nil || *r.Monthly != 3500 {
				t.Errorf("a price by request: %v, want 3500", r.Monthly)
			}
			continue
		}
		if r.Monthly != nil {
			t.Errorf("%s: %v of a traffic that it was not published for", r.Name, *r.Monthly)
		}
	}
}

func TestOwn(t *testing.T) {
	p := list(t, "own")
	m := Demand{CPUUS: 200, MemoryMiB: 100}
	for _, row := range []struct {
		name     string
		traffic  Traffic
		machines int
		decided  string
	}{
		{name: "3.9 requests/s need the least that there is", traffic: month, machines: 2, decided: "redundancy"},
		// 1e10/2592000 = 3858/s, at ten times that 7.716 cores, 1.2 per machine: 6.43.
		{name: "peaks are planned for", traffic: Traffic{Requests: 1e10, PeakFactor: 10}, machines: 7, decided: "CPU"},
		{name: "even traffic needs a tenth", traffic: Traffic{Requests: 1e10, PeakFactor: 1}, machines: 2, decided: "redundancy"},
		{name: "no traffic at all", traffic: Traffic{PeakFactor: 1}, machines: 2, decided: "redundancy"},
	} {
		b, err := Own(p, m, row.traffic)
		if err != nil {
			t.Fatal(err)
		}
		if b.Machines != row.machines || b.For != row.decided {
			t.Errorf("%s: %d machines for %s, want %d for %s", row.name, b.Machines, b.For, row.machines, row.decided)
		}
		var sum float64
		for _, i := range b.Items {
			sum += i.Monthly
		}
		if math.Abs(sum-b.Total) > 1e-9 {
			t.Errorf("%s: items add up to %v, total is %v", row.name, sum, b.Total)
		}
	}
	b, _ := Own(p, m, month)
	// 2 x 30 + 18 + 15 + 15 and 10^7 KiB = 9.54 GiB at 0.09.
	if math.Abs(b.Total-108.858) > 0.01 {
		t.Errorf("total %v, want 108.86", b.Total)
	}
	if s := Holds(p, m, month); !strings.Contains(s, "3.86 per second") || !strings.Contains(s, "fixed cost dominates") {
		t.Errorf("where it holds: %s", s)
	}
	for _, bad := range []struct {
		m Demand
		t Traffic
	}{{Demand{0, 1}, month}, {Demand{1, 1e6}, month}, {m, Traffic{Requests: 1, PeakFactor: 0.5}}, {m,
		Traffic{Requests: -1, PeakFactor: 1}}} {
		if _, err := Own(p, bad.m, bad.t); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const good = "name: a\nas_of: 2026-01-01\ncurrency: USD\nsource: me\n"
	for text, want := range map[string]string{
		good:                         "want offers, or a machine",
		good + "machin: {}\n":        "machin",
		"name: a\ncurrency: USD\n":   "as_of",
		good + "offers: [{name: a}]": "requests_per_month",
		good + "machine: {cores: 1, memory_mib: 1, monthly: 1, utilisation: 2, least: 1}": "utilisation",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want a word on %s", text, err, want)
		}
	}
}

func TestMarkdown(t *testing.T) {
	var b bytes.Buffer
	if err := Markdown(&b, Case{Own: list(t, "own"), Others: []*Prices{list(t, "published")}, Measured: Demand{200, 100}, Traffic: month,
		Basis: "a run"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"10,000,000", "| AWS API Gateway | 480 |", "as of 2026-11-23", "| 100,000,000,000 |",
		"| **total** | **108.86** |"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("nothing of %q in:\n%s", want, b.String())
		}
	}
}
