package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden holds got against a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from what is written; run the test with -update and look at the difference.\ngot:\n%s", path, clip(got))
	}
}

func clip(b []byte) []byte { return b[:min(len(b), 4000)] }

// formats are all that people and programs read.
func formats() map[string]func(io.Writer, *Result) error {
	return map[string]func(io.Writer, *Result) error{
		FileJSON: JSON, FileMarkdown: Markdown, FileHTML: HTML, FileBench: Bench, FileLadder: LadderSVG,
		"table.txt": func(w io.Writer, r *Result) error { return Table(w, r, TableOptions{}) },
	}
}

func rendered(t *testing.T, name string, r *Result) string {
	t.Helper()
	var b bytes.Buffer
	if err := formats()[name](&b, r); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return b.String()
}

func TestGoldens(t *testing.T) {
	for name := range formats() {
		t.Run(name, func(t *testing.T) {
			r := sample()
			r.Settle()
			golden(t, name, []byte(rendered(t, name, r)))
		})
	}
}

func TestInvalidStageSaysSoInEveryFormat(t *testing.T) {
	r := sample()
	r.Settle()
	for name := range formats() {
		got := rendered(t, name, r)
		mark, reason := "INVALID", "generator saturated"
		if name == FileJSON {
			mark = `"valid": false`
		}
		if name == FileLadder { // a picture has room for the mark alone
			reason = "INVALID"
		}
		if !strings.Contains(got, mark) || !strings.Contains(got, reason) {
			t.Errorf("%s says nothing of the stage that is not valid", name)
		}
	}
}

func TestAResultWithNothingMeasuredIsWrittenInEveryFormat(t *testing.T) {
	for _, r := range []*Result{
		{Scenario: "empty", Runtime: "docker"},
		{Scenario: "bare", Runtime: "host", Stages: []Stage{{Name: "baseline", Valid: true, Replicas: 1, Load: Load{Model: Closed, Rounds: 1}}}},
	} {
		r.Settle()
		for name := range formats() {
			got := rendered(t, name, r)
			for _, never := range []string{"NaN", "Inf", "<nil>", "%!"} {
				if strings.Contains(got, never) {
					t.Errorf("%s of %s holds %q:\n%s", name, r.Scenario, never, clip([]byte(got)))
				}
			}
		}
	}
}

func TestAnEmptyRunIsNotValid(t *testing.T) {
	r := &Result{Scenario: "empty", Valid: true}
	r.Settle()
	if r.Valid || len(r.InvalidReasons) != 1 {
		t.Errorf("valid %v, reasons %q; want a reason", r.Valid, r.InvalidReasons)
	}
}

func TestSettle(t *testing.T) {
	t.Run("an invalid check makes its stage and the run invalid, once", func(t *testing.T) {
		r := &Result{Stages: []Stage{{Name: "pool", Valid: true, Checks: []Check{{Name: "rate kept", Attack: Open, Saw: "97%", Limit: "at least 99%", Verdict: Invalid}}}}}
		r.Settle()
		r.Settle()
		want := []string{"pool: rate kept (open): 97%, want at least 99%"}
		if r.Valid || r.Stages[0].Valid || !reflect.DeepEqual(r.InvalidReasons, want) {
			t.Errorf("got %v %v %q, want %q", r.Valid, r.Stages[0].Valid, r.InvalidReasons, want)
		}
	})
	t.Run("a stage that is not valid has a reason", func(t *testing.T) {
		r := &Result{Stages: []Stage{{Name: "pool"}}}
		r.Settle()
		if len(r.Stages[0].InvalidReasons) != 1 {
			t.Errorf("reasons %q", r.Stages[0].InvalidReasons)
		}
	})
	t.Run("what is no number was not measured", func(t *testing.T) {
		r := &Result{Stages: []Stage{{
			Name: "a", Valid: true, ErrorRate: p(math.NaN()), QPS: p(math.Inf(1)), Cache: &Cache{HitRatio: p(math.NaN())},
			CPUPerRequestUS: map[string]float64{"lb": math.Inf(1), "gateway": 50},
		}}}
		r.Settle()
		s := r.Stages[0]
		if s.ErrorRate != nil || s.QPS != nil || s.Cache.HitRatio != nil || len(s.CPUPerRequestUS) != 1 {
			t.Errorf("got %+v", s)
		}
		rendered(t, FileJSON, r)
	})
	t.Run("a closed loop's latency is never a user's", func(t *testing.T) {
		r := &Result{Stages: []Stage{{Name: "a", Valid: true, Load: Load{Model: Closed}, LatencyMS: &Latency{P50: p(1.0)}, Attacks: []Attack{{Model: Closed, LatencyMS: &Latency{P50: p(1.0)}}}}}}
		r.Settle()
		if r.Stages[0].LatencyMS != nil || r.Stages[0].Attacks[0].LatencyMS != nil {
			t.Error("the closed loop's latency is still there")
		}
	})
}

func TestClosedLoopLatencyIsShownToNobody(t *testing.T) {
	r := sample()
	r.Settle()
	for name := range formats() {
		if name == FileJSON {
			continue // there, in the attack that is labelled closed
		}
		if got := rendered(t, name, r); strings.Contains(got, "2,105") || strings.Contains(got, "2.1 s") {
			t.Errorf("%s shows the closed loop's p50", name)
		}
	}
}

func TestTooFewSamplesAreNotANumber(t *testing.T) {
	r := sample()
	r.Settle()
	row := r.summary().Rows[0]
	if row[6] != "n/a" {
		t.Errorf("p99 of 900 samples is %q, want n/a", row[6])
	}
	for name := range formats() {
		if name == FileJSON || name == FileBench || name == FileLadder {
			continue
		}
		if !strings.Contains(rendered(t, name, r), "n/a") {
			t.Errorf("%s has no n/a", name)
		}
	}
}

func TestColourOnlyWhereAsked(t *testing.T) {
	r := sample()
	r.Settle()
	var with, without bytes.Buffer
	if err := Table(&with, r, TableOptions{Color: true}); err != nil {
		t.Fatal(err)
	}
	if err := Table(&without, r, TableOptions{}); err != nil {
		t.Fatal(err)
	}
	if bytes.ContainsRune(without.Bytes(), 0x1b) {
		t.Error("escape codes though no colour was asked for")
	}
	codes := regexp.MustCompile("\x1b\\[[0-9]+m")
	if !codes.Match(with.Bytes()) || codes.ReplaceAllString(with.String(), "") != without.String() {
		t.Error("the coloured table is not the plain one with colours")
	}
}

func TestThePageIsOneFileAndItsPlotsAreWellFormed(t *testing.T) {
	r := sample()
	r.Settle()
	page := rendered(t, FileHTML, r)
	rest := strings.NewReplacer(`xmlns="http://www.w3.org/2000/svg"`, "", `href="#`, "").Replace(page)
	for _, never := range []string{"<script ", "src=", "href=", "url(", "@import", "http://", "https://", "fetch(", "XMLHttpRequest"} {
		if strings.Contains(rest, never) {
			t.Errorf("the page holds %q: it must need nothing beside it", never)
		}
	}
	plots := regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(page, -1)
	if len(plots) != 7 { // ladder, percentiles, cost, and one for each open-loop attack
		t.Errorf("%d plots, want 7", len(plots))
	}
	for _, plot := range append(plots, rendered(t, FileLadder, r)) {
		d := xml.NewDecoder(strings.NewReader(plot))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("plot is not XML: %v\n%s", err, clip([]byte(plot)))
			}
		}
	}
	if !strings.Contains(page, `class="mark"`) || !strings.Contains(page, "gateway-2 killed (5 s)") {
		t.Error("the fault is not marked in the plot over time")
	}
}

func TestForeignTextIsNoMarkup(t *testing.T) {
	const evil = "<script>alert(1)</script>|\x1b[31m\n\"'&"
	r := sample()
	r.Scenario, r.Profile, r.RunID = evil, evil, evil
	r.InvalidReasons = []string{evil}
	r.Stages[2].Name, r.Stages[2].Warnings = evil, []string{evil}
	r.Stages[2].Bottleneck.Evidence = evil
	r.Stages[2].Attacks[1].Marks[0].Label = evil
	r.Manifest.CommandLine = []string{evil}
	r.Faults[0].Target = evil
	r.Settle()
	for name := range formats() {
		got := rendered(t, name, r)
		if name != FileJSON && name != FileBench && name != "table.txt" && strings.Contains(got, "<script>alert") {
			t.Errorf("%s holds foreign markup", name)
		}
		if strings.ContainsRune(got, 0x1b) && name != FileHTML && name != FileMarkdown {
			t.Errorf("%s holds a foreign escape code", name)
		}
	}
}
