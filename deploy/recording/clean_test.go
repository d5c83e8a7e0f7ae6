package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// A recording of a first run, as a machine without a registry shows it.
func TestNothingOfTheMachineIsRecorded(t *testing.T) {
	c := cleaner{}
	for _, arg := range []string{"/tmp/tmp.abc/=reports/", "/srv/clone/="} {
		if err := c.parse(arg); err != nil {
			t.Fatal(err)
		}
	}
	first := []string{
		"         on 10.0.0.1:53: no such host); making gatelab/debian-deps:1 instead, once",
		"\x1b[2m   1.5s\x1b[0m  postgres:15-alpine cannot be had (ask the registry for postgres:15-alpine: Error response",
		"         from daemon: Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io",
		"  31.0s  Debian packages: using /tmp/mmdebstrap.x as tempdir",
		"  31.1s  image gatelab/gateway:2706 from /srv/clone/bin/gateway",
		"  34.3s  lab up: 7 nodes in 34.2 s",
		"  45.2s  cache closed: 400 connections, 17548 QPS, errors 1.74%; CPU us per request: 101, lb 38,",
		"         gateway 33, worker 27, origin 4",
		"warning: image of the page",
		"",
		"report: /tmp/tmp.abc/runs/1-cache/report.html",
	}
	want := append(slices.Clone(first[5:10]), "report: reports/runs/1-cache/report.html")
	again := slices.Insert(slices.Clone(first), 5, "  31.2s  image gatelab/harness:1 from /srv/clone/bin/harness")
	got := c.frames([]frame{{at: 0, rows: first}, {at: time.Second, rows: again}})
	if len(got) != 1 || !slices.Equal(got[0].rows, want) {
		t.Fatalf("%d screens, the first is\n%s\nwant one screen\n%s", len(got), strings.Join(got[0].rows, "\n"), strings.Join(want, "\n"))
	}
	if left := c.left(strings.Join(got[0].rows, "\n")); len(left) > 0 {
		t.Errorf("left is %q", left)
	}
	if left := c.left(strings.Join(first, "\n")); !slices.Contains(left, "registry-1.docker.io") || !slices.Contains(left, "/srv/clone/") {
		t.Errorf("only %q is found in what was not cleaned", left)
	}
}

func TestThePictureOfTheReadmeIsClean(t *testing.T) {
	b, err := os.ReadFile("../../docs/recording.svg")
	if err != nil {
		t.Fatal(err)
	}
	c := cleaner{}
	if left := c.left(string(b)); len(left) > 0 {
		t.Errorf("docs/recording.svg shows %q", left)
	}
	if text := string(b); ofTheEngine.MatchString(text) {
		t.Errorf("docs/recording.svg shows %q", ofTheEngine.FindString(text))
	}
}

func TestPausesAreShort(t *testing.T) {
	got := shortened([]frame{{at: 0}, {at: time.Second}, {at: 31 * time.Second}, {at: 32 * time.Second}}, 8*time.Second)
	if got[1].at != time.Second || got[2].at != 9*time.Second || got[3].at != 10*time.Second {
		t.Errorf("the screens are at %v", got)
	}
}
