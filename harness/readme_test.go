package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/figure"
	"github.com/gatelab/gatelab/harness/internal/result"
)

const (
	readmeLines   = 120 // at most
	readmeNumbers = 4   // at most, per 100 words: more of them are not read
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheReadmeIsShort(t *testing.T) {
	text := readFile(t, "../README.md")
	if n := strings.Count(text, "\n"); n > readmeLines {
		t.Errorf("README.md has %d lines, want at most %d", n, readmeLines)
	}
	words := len(strings.Fields(text))
	numbers := len(regexp.MustCompile(`(?:^|[^\w.])\d[\d,.]*`).FindAllString(text, -1))
	if 100*numbers > readmeNumbers*words {
		t.Errorf("README.md has %d numbers in %d words, want at most %d per 100", numbers, words, readmeNumbers)
	}
}

// The table of the README and that of docs/results.md are of the run that is published.
func TestTheTablesAreOfThePublishedRun(t *testing.T) {
	r, err := result.Read("../reports/published/ladder/result.json")
	if err != nil {
		t.Fatal(err)
	}
	r.Settle()
	for _, page := range []string{"../README.md", "../docs/results.md"} {
		text := readFile(t, page)
		for i := range r.Stages {
			s := &r.Stages[i]
			row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(s.Name) + ` \|.*$`).FindString(text)
			if s.QPS == nil || s.LatencyMS == nil { // edge: its figures are per country
				continue
			}
			for _, want := range []string{figure.Rounded(*s.QPS), figure.Rounded(*s.LatencyMS.P99)} {
				if !strings.Contains(row, "| "+want+" ") {
					t.Errorf("%s: the row of %s has no %s: %q", page, s.Name, want, row)
				}
			}
		}
	}
	if !strings.Contains(readFile(t, "../README.md"), "on two shared cores") {
		t.Error("README.md does not say on what its figures were measured")
	}
}

// Every table of results is in a section that names the machine and the date.
func TestResultsNameMachineAndDate(t *testing.T) {
	for _, section := range strings.Split(readFile(t, "../docs/results.md"), "\n## ")[1:] {
		title, text, _ := strings.Cut(section, "\n")
		if !strings.Contains(text, "\n|---") {
			continue
		}
		if !regexp.MustCompile(`\b20\d\d-\d\d-\d\d\b`).MatchString(text) || !strings.Contains(text, "cores") {
			t.Errorf("the section %q has a table, and no date or machine", title)
		}
	}
}
