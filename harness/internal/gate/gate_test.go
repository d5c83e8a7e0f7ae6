package gate

import (
	"bytes"
	"encoding/xml"
	"math"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/junit"
	"github.com/gatelab/gatelab/harness/internal/stats"
)

// record is a made-up gate: head's CPU is cpu times base's and its p99 p99
// times. The host's speed varies from round to round, the arms by noise within
// one; these are the spreads that were seen on two busy cores.
func record(rounds int, cpu, p99, noise float64) *Record {
	random := rand.New(rand.NewPCG(13, uint64(rounds)))
	r := &Record{
		Schema: SchemaV1, StartedAt: time.Unix(1.7e9, 0).UTC(), Margins: DefaultMargins(), Rounds: 10, MaxRounds: 20,
		Arms: map[string]string{Base: "aaaa", Head: "bbbb"}, Machine: map[string]string{"cpu": "one", "cores": "2"},
		Ceiling: 50_000, Workloads: []string{"hit", "proxy"},
	}
	for n := 1; n <= rounds; n++ {
		for _, w := range r.Workloads {
			host := math.Exp(0.2 * random.NormFloat64())
			for place, arm := range stats.Order([]string{Base, Head, Again}, n) {
				c, l := 100*host*math.Exp(noise*random.NormFloat64()), 5*host*math.Exp(noise*random.NormFloat64())
				if arm == Head {
					c, l = c*cpu, l*p99
				}
				q := 20_000 / host
				half := 0.1 * host * math.Exp(noise*random.NormFloat64())
				most := 0.2 * host * math.Exp(noise*random.NormFloat64())
				r.Samples = append(r.Samples, Sample{
					Workload: w, Round: n, Arm: arm, Place: place + 1,
					CPUUS: &c, P50MS: &half, P90MS: &most, P99MS: &l, QPS: &q, Requests: 2000,
				})
			}
		}
	}
	return r
}

func TestDecide(t *testing.T) {
	for _, row := range []struct {
		why      string
		cpu, p99 float64
		want     stats.Verdict
		code     int
	}{
		{why: "the same", cpu: 1, p99: 1, want: stats.Pass},
		{why: "faster", cpu: 0.7, p99: 0.7, want: stats.Pass},
		{why: "a third more CPU", cpu: 1.33, p99: 1, want: stats.Fail, code: 1},
		{why: "twice the latency", cpu: 1, p99: 2, want: stats.Fail, code: 1},
		{why: "a tenth more CPU", cpu: 1.1, p99: 1, want: stats.Fail, code: 1},
		{why: "at the margin of all workloads together", cpu: 1.02, p99: 1, want: stats.Inconclusive, code: 3},
	} {
		d := Decide(record(20, row.cpu, row.p99, 0.03), 20)
		if d.Verdict != row.want || d.ExitCode() != row.code {
			t.Errorf("%s: %s (%d) because %s, want %s", row.why, d.Verdict, d.ExitCode(), d.Reason, row.want)
		}
		if d.Looks != 2 || d.Rounds != 20 {
			t.Errorf("%s: %d looks, %d rounds", row.why, d.Looks, d.Rounds)
		}
	}
}

func TestDecideCountsErrors(t *testing.T) {
	r := record(10, 1, 1, 0.03)
	for i := range r.Samples {
		if r.Samples[i].Arm == Head {
			r.Samples[i].Failed = 10 // one in two hundred
		}
	}
	if d := Decide(r, 10); d.Verdict != stats.Fail || !strings.Contains(d.Reason, "error_rate") {
		t.Errorf("a head that fails: %s, %s", d.Verdict, d.Reason)
	}
}

func TestSpoiledPairsAreLeftOutOfLatencyAlone(t *testing.T) {
	r := record(10, 1, 1, 0.03)
	spoil := func(rounds int) {
		for i := range r.Samples {
			if r.Samples[i].Arm == Head && r.Samples[i].Round <= rounds {
				r.Samples[i].Excluded = []string{"send lag"}
			}
		}
	}
	spoil(2)
	d := Decide(r, 10)
	if d.Verdict != stats.Pass || len(d.Notes) != 2 || !strings.Contains(d.Notes[0], "2 of 10 pairs") {
		t.Errorf("two rounds spoiled: %s, notes %q", d.Verdict, d.Notes)
	}
	spoil(5)
	d = Decide(r, 10)
	if d.Verdict != stats.Pass || !strings.Contains(d.Reason, "not used: hit p99_ms, proxy p99_ms") {
		t.Errorf("half of the rounds spoiled: %s, %s: want a pass that says what was not used", d.Verdict, d.Reason)
	}
	for i := range r.Samples {
		if r.Samples[i].Round <= 5 {
			r.Samples[i].Pressed = []string{"rate kept"}
		}
	}
	d = Decide(r, 10)
	if d.Verdict != stats.Inconclusive || !strings.Contains(d.Reason, "p50_ms: not measured") {
		t.Errorf("half of the rounds too much for the generator: %s, %s", d.Verdict, d.Reason)
	}
	for _, e := range d.Metrics {
		if isCPU(e.Name) && e.Verdict != stats.Pass {
			t.Errorf("%s: %s, though CPU survives a late generator", e.Name, e.Verdict)
		}
	}
}

func TestReplay(t *testing.T) {
	r := record(20, 5, 5, 0.03) // head's own figures play no part
	same, err := Replay([]*Record{r}, Draws{Arm: Again, Times: 200, Ratio: 1, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if same.Fail > 0.05 || same.Pass < 0.5 {
		t.Errorf("false alarms in %.1f%%, passed in %.1f%%", same.Fail*100, same.Pass*100)
	}
	equal, err := Replay([]*Record{record(20, 1, 1, 0.03)}, Draws{Arm: Head, Times: 200, Ratio: 1, Seed: 1})
	if err != nil || equal.Fail > 0.05 || equal.Pass < 0.5 {
		t.Errorf("equal builds, as head: %+v, %v", equal, err)
	}
	worse, err := Replay([]*Record{r}, Draws{Arm: Again, Times: 200, Ratio: 1.3, CPUOnly: true, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if worse.Fail < 0.8 || worse.Pass > 0 {
		t.Errorf("30%% more CPU: found in %.1f%%, passed in %.1f%%", worse.Fail*100, worse.Pass*100)
	}
	if again, _ := Replay([]*Record{r}, Draws{Arm: Again, Times: 200, Ratio: 1.3, CPUOnly: true, Seed: 1}); !reflect.DeepEqual(again, worse) {
		t.Errorf("the same seed gave %+v and %+v", worse, again)
	}
	measured, err := Replay([]*Record{r, record(18, 5, 5, 0.03)}, Draws{Arm: Head, Times: 50, Ratio: 1, Seed: 1})
	if err != nil || measured.Fail < 0.9 || measured.Pass > 0 || measured.Times != 50 {
		t.Errorf("five times as slow, in two records: %+v, %v", measured, err)
	}
	if sum := worse.Pass + worse.Fail + worse.Inconclusive; math.Abs(sum-1) > 1e-9 {
		t.Errorf("the shares add up to %v", sum)
	}
	for _, bad := range []func() (Rates, error){
		func() (Rates, error) {
			return Replay([]*Record{record(5, 1, 1, 0.1)}, Draws{Arm: Again, Times: 10, Ratio: 1, Seed: 1})
		},
		func() (Rates, error) { return Replay([]*Record{r}, Draws{Arm: Again, Times: 0, Ratio: 1, Seed: 1}) },
		func() (Rates, error) { return Replay([]*Record{r}, Draws{Arm: Base, Times: 10, Ratio: 1, Seed: 1}) },
		func() (Rates, error) { return Replay(nil, Draws{Arm: Again, Times: 10, Ratio: 1, Seed: 1}) },
		func() (Rates, error) { return Replay([]*Record{r}, Draws{Arm: Again, Times: 10, Ratio: -1, Seed: 1}) },
	} {
		if got, err := bad(); err == nil {
			t.Errorf("replayed: %+v", got)
		}
	}
}

func TestAgainstABaseline(t *testing.T) {
	now := func(cpu float64) *Record {
		r := record(20, 1, 1, 0.03)
		for i := range r.Samples {
			s := &r.Samples[i]
			*s.CPUUS *= cpu
		}
		return r
	}
	old := record(20, 1, 1, 0.03)
	for _, row := range []struct {
		cpu  float64
		want stats.Verdict
	}{{0.85, stats.Pass}, {2, stats.Fail}} {
		d := Against(old, now(row.cpu), 20)
		if d.Verdict != row.want {
			t.Errorf("CPU times %v: %s, %s", row.cpu, d.Verdict, d.Reason)
		}
		if len(d.Notes) == 0 || !strings.Contains(d.Notes[0], "WEAKER") {
			t.Errorf("what is weaker is not said: %q", d.Notes)
		}
	}
	// The same difference of a fifth is found in pairs, and not without.
	if d := Against(old, now(1.2), 20); d.Verdict == stats.Fail {
		t.Error("unpaired figures of a noisy host found a fifth: they are taken for more than they are")
	}
	if d := Decide(record(20, 1.2, 1, 0.03), 20); d.Verdict != stats.Fail {
		t.Errorf("paired, a fifth is %s", d.Verdict)
	}
	other := now(1)
	other.Machine = map[string]string{"cpu": "another", "cores": "2"}
	if d := Against(old, other, 20); d.Verdict != stats.Inconclusive || !strings.Contains(d.Reason, "another") {
		t.Errorf("another machine: %s, %s", d.Verdict, d.Reason)
	}
}

func TestRecordIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), FileRecord)
	r := record(10, 1.05, 1, 0.03)
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	back, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := Decide(r, 10), Decide(back, 10); a.Line() != b.Line() {
		t.Errorf("%s, and read again %s", a.Line(), b.Line())
	}
	if _, err := Read(path + ".not"); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestWords(t *testing.T) {
	d := Decide(record(20, 1.5, 1, 0.03), 20)
	var md, xmlText bytes.Buffer
	if err := Markdown(&md, record(20, 1.5, 1, 0.03), d); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"## Performance gate: FAIL", "Base: aaaa. Head: bbbb. 20 rounds", "extended once from 10",
		"| hit cpu_us_per_request | 1.52 | 1.5 to 1.54 | 1.05 |",
	} {
		if !strings.Contains(md.String(), want) {
			t.Errorf("nothing of %q in\n%s", want, md.String())
		}
	}
	if strings.Contains(d.Line(), "\n") || !strings.HasPrefix(d.Line(), "gate: FAIL after 20 rounds: ") {
		t.Errorf("line %q", d.Line())
	}
	if err := JUnit(&xmlText, d); err != nil {
		t.Fatal(err)
	}
	var s junit.Suite
	if err := xml.Unmarshal(xmlText.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	if s.Failures != 4 || s.Tests != len(d.Metrics)+1 || len(s.Cases) != s.Tests || s.Errors != 0 {
		t.Errorf("%d tests, %d failures, %d errors in\n%s", s.Tests, s.Failures, s.Errors, xmlText.String())
	}
}

func TestMarginsAreChecked(t *testing.T) {
	m := DefaultMargins()
	if err := m.Validate(); err != nil {
		t.Error(err)
	}
	m.P99 = 0
	if err := m.Validate(); err == nil || !strings.Contains(err.Error(), "p99") {
		t.Errorf("a margin of nothing: %v", err)
	}
}
