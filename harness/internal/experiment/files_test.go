package experiment

import (
	"slices"
	"strings"
	"testing"
)

const experiments = "../../../scenarios/chaos"

func TestFiles(t *testing.T) {
	for _, row := range []struct {
		name, given string
		want        []string
		err         string
	}{
		{name: "by name", given: "kill-redis", want: []string{experiments + "/kill-redis.yaml"}},
		{name: "by file", given: "elsewhere/mine.yaml", want: []string{"elsewhere/mine.yaml"}},
		{name: "misspelt", given: "kill-rediss", err: `unknown experiment "kill-rediss" (did you mean "kill-redis"?)`},
		{name: "what experiments share is none", given: "base", err: "unknown experiment"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := Files(experiments, row.given)
			if row.err != "" {
				if err == nil || !strings.Contains(err.Error(), row.err) {
					t.Errorf("error %v, want %q", err, row.err)
				}
				return
			}
			if err != nil || !slices.Equal(got, row.want) {
				t.Errorf("got %v, %v; want %v", got, err, row.want)
			}
		})
	}
}

func TestAllFilesAreExperimentsThatEnd(t *testing.T) {
	files, err := Files(experiments, All)
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		for _, not := range []string{"base.yaml", "alert-drill.yaml", "game-day"} {
			if strings.Contains(f, not) {
				t.Errorf("%s is one of all", f)
			}
		}
	}
	if _, err := Files(t.TempDir(), All); err == nil || !strings.Contains(err.Error(), "--scenarios") {
		t.Errorf("an empty folder: %v", err)
	}
}
