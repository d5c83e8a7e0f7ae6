package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/result"
)

// What shared servers carry is on the page, in Markdown and on the terminal, and errors of a replay are marked.
func TestScaleIsInEveryFormat(t *testing.T) {
	r := &result.Result{Scenario: "scale-redis", Scale: &result.Scale{
		Redis: []result.RedisScale{{Stage: "counter", Requests: 1000, Recorded: 250, PerReq: 0.25, Commands: map[string]uint64{"evalsha": 250},
			Replays: []result.RedisReplay{{Depth: 16, Connections: 32, CommandsPS: 20_000, RedisCores: 0.5, CommandUS: 25, CorePS: 40_000,
				RequestsPS: 160_000, Errors: 3, MachineBusy: new(0.5)}}}},
		Fanout: []result.Fanout{{Watchers: 1000, Reads: true, Changes: 50, LastMS: result.MedianMax{Median: 41.5, Max: 99}, PostgresMS: 77.7}},
	}}
	r.Settle()
	var text, md, page bytes.Buffer
	for _, err := range []error{ScaleText(&text, r), Markdown(&md, r), HTML(&page, r)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, got := range map[string]string{"text": text.String(), "Markdown": md.String(), "page": page.String()} {
		for _, want := range []string{"evalsha 250", "0.250", "40,000", "160,000", "41.5 (99.0)", "77.7", "50%"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: nothing of %q:\n%.2000s", name, want, got)
			}
		}
	}
	const said = "counter: a core of Redis carries 160,000 requests/s; the last of 1,000 watchers knows a change after 41.5 ms (median)," +
		" which costs Postgres 77.7 ms of CPU time"
	if got := decision(r); got != said {
		t.Errorf("decision %q", got)
	}
	if g := replayGrid(r.Scale); !g.Bad[0] {
		t.Error("a replay with errors is not marked")
	}
	if g := scaleGrids(&result.Result{}); g != nil {
		t.Errorf("without a measurement there are tables: %v", g)
	}
}

func TestRegionsAreInTheReport(t *testing.T) {
	r := &result.Result{Scenario: "regions", Experiment: &result.Experiment{
		Regions: []result.Region{
			{Name: "a", Nodes: []string{"postgres", "lb"}, Requests: 2000, Failed: 600, Errors: map[string]uint64{"refused": 600},
				Writes: result.WriteCount{Sent: 50, Acknowledged: 30}},
			{Name: "b", Nodes: []string{"lb-2"}, Requests: 2000, Visible: result.Followed{Changes: 9, P50MS: new(480.0), MaxMS: new(900.0)},
				CaughtUpMS: new(7300.0)},
		},
		Together: &result.LimitTogether{Permits: 100, Windows: 65, Share: 1.997, Fullest: 200},
	}, Stages: []result.Stage{{Name: "lost", Valid: true}}}
	r.Settle()
	var md bytes.Buffer
	if err := Markdown(&md, r); err != nil {
		t.Fatal(err)
	}
	row := "| a | postgres, lb | 2,000 | 600 | 600 refused | 30 of 50 |"
	for _, want := range []string{row, "9: 480 ms (at most 900 ms)", "7.3 s", "1.997"} {
		if !strings.Contains(md.String(), want) {
			t.Errorf("nothing of %q:\n%s", want, md.String())
		}
	}
}
