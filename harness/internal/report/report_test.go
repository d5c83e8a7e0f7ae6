package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gatelab/gatelab/harness/internal/result"
	"github.com/gatelab/gatelab/harness/internal/result/resulttest"
)

func p[T any](v T) *T { return &v }

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file in testdata.
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

// allFormats are all that people and programs read.
func allFormats() map[string]func(io.Writer, *result.Result) error {
	return map[string]func(io.Writer, *result.Result) error{
		result.FileJSON: result.JSON, result.FileMarkdown: Markdown, result.FileHTML: HTML, result.FileBench: Bench, result.FileLadder: LadderSVG,
		"table.txt": func(w io.Writer, r *result.Result) error { return Table(w, r, TableOptions{}) },
	}
}

func rendered(t *testing.T, name string, r *result.Result) string {
	t.Helper()
	var b bytes.Buffer
	if err := allFormats()[name](&b, r); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return b.String()
}

func TestGoldens(t *testing.T) {
	for name := range allFormats() {
		t.Run(name, func(t *testing.T) {
			r := resulttest.Ladder()
			r.Settle()
			golden(t, name, []byte(rendered(t, name, r)))
		})
	}
}

func TestInvalidStageSaysSoInEveryFormat(t *testing.T) {
	r := resulttest.Ladder()
	r.Settle()
	for name := range allFormats() {
		got := rendered(t, name, r)
		mark, reason := "INVALID", "generator saturated"
		if name == result.FileJSON {
			mark = `"valid": false`
		}
		if name == result.FileLadder { // a picture has room for the mark alone
			reason = "INVALID"
		}
		if !strings.Contains(got, mark) || !strings.Contains(got, reason) {
			t.Errorf("%s says nothing of the stage that is not valid", name)
		}
	}
}

func TestAResultWithNothingMeasuredIsWrittenInEveryFormat(t *testing.T) {
	for _, r := range []*result.Result{
		{Scenario: "empty", Runtime: "docker"},
		{Scenario: "bare", Runtime: "host",
			Stages: []result.Stage{{Name: "baseline", Valid: true, Replicas: 1, Load: result.Load{Model: result.Closed, Rounds: 1}}}},
	} {
		r.Settle()
		for name := range allFormats() {
			got := rendered(t, name, r)
			for _, never := range []string{"NaN", "Inf", "<nil>", "%!"} {
				if strings.Contains(got, never) {
					t.Errorf("%s of %s holds %q:\n%s", name, r.Scenario, never, clip([]byte(got)))
				}
			}
		}
	}
}

func TestClosedLoopLatencyIsShownToNobody(t *testing.T) {
	r := resulttest.Ladder()
	r.Settle()
	for name := range allFormats() {
		if name == result.FileJSON {
			continue // there, in the attack that is labelled closed
		}
		if got := rendered(t, name, r); strings.Contains(got, "2,105") || strings.Contains(got, "2.1 s") {
			t.Errorf("%s shows the closed loop's p50", name)
		}
	}
}

func TestTooFewSamplesAreNotANumber(t *testing.T) {
	r := resulttest.Ladder()
	r.Settle()
	row := summaryGrid(r).Rows[0]
	if row[6] != "n/a" {
		t.Errorf("p99 of 900 samples is %q, want n/a", row[6])
	}
	for name := range allFormats() {
		if name == result.FileJSON || name == result.FileBench || name == result.FileLadder {
			continue
		}
		if !strings.Contains(rendered(t, name, r), "n/a") {
			t.Errorf("%s has no n/a", name)
		}
	}
}

func TestColourOnlyWhereAsked(t *testing.T) {
	r := resulttest.Ladder()
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

// A table that is too wide for the terminal is a list.
func TestTablesFitTheTerminal(t *testing.T) {
	r := resulttest.Ladder()
	r.Settle()
	var free bytes.Buffer
	if err := Table(&free, r, TableOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, width := range []int{40, 80, 140, 400} {
		var b bytes.Buffer
		if err := Table(&b, r, TableOptions{Width: width}); err != nil {
			t.Fatal(err)
		}
		if width == 400 && b.String() != free.String() {
			t.Errorf("400 columns are not enough:\n%s", b.String())
		}
		for l := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(l) - 1; n > width {
				t.Errorf("%d columns: a line of %d: %s", width, n, l)
			}
		}
		if width == 80 && !strings.Contains(b.String(), "QPS (closed): 12,581, ") {
			t.Errorf("80 columns: no list with the QPS of the last stage:\n%s", b.String())
		}
	}
}

func TestThePageIsOneFileAndItsPlotsAreWellFormed(t *testing.T) {
	r := resulttest.Ladder()
	r.Settle()
	page := rendered(t, result.FileHTML, r)
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
	for _, plot := range append(plots, rendered(t, result.FileLadder, r)) {
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
	r := resulttest.Ladder()
	r.Scenario = evil
	r.Profile = evil
	r.RunID = evil
	r.InvalidReasons = []string{evil}
	r.Stages[2].Name, r.Stages[2].Warnings = evil, []string{evil}
	r.Stages[2].Bottleneck.Evidence = evil
	r.Stages[2].Attacks[1].Marks[0].Label = evil
	r.Manifest.CommandLine = []string{evil}
	r.Faults[0].Target = evil
	r.Settle()
	for name := range allFormats() {
		got := rendered(t, name, r)
		if name != result.FileJSON && name != result.FileBench && name != "table.txt" && strings.Contains(got, "<script>alert") {
			t.Errorf("%s holds foreign markup", name)
		}
		if strings.ContainsRune(got, 0x1b) && name != result.FileHTML && name != result.FileMarkdown {
			t.Errorf("%s holds a foreign escape code", name)
		}
	}
}
