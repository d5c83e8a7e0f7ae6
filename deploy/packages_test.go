package deploy

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// nfpm expands variables in the paths of package contents only if `expand: true` is set. Without it the build fails.
func TestPackagesNameFilesThatAreThere(t *testing.T) {
	files, err := filepath.Glob("release/nfpm-*.yaml")
	if err != nil || len(files) != 2 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		var p struct {
			Contents []struct {
				Src, Dst, Type string
				Expand         bool
			}
		}
		if err := yaml.Unmarshal([]byte(read(t, file)), &p); err != nil {
			t.Fatal(err)
		}
		programs := 0
		for _, c := range p.Contents {
			if rest, found := strings.CutPrefix(c.Src, "${STAGE}/"); found {
				programs++
				if !c.Expand || rest != "gateway" && rest != "harness" {
					t.Errorf("%s: %+v: want a program that release.sh builds, with expand: true", file, c)
				}
				continue
			}
			if c.Type == "symlink" {
				continue
			}
			if found, err := filepath.Glob(filepath.Join("..", c.Src)); err != nil || len(found) != 1 {
				t.Errorf("%s: no file %s", file, c.Src)
			}
		}
		if programs != 1 {
			t.Errorf("%s has %d programs, want one", file, programs)
		}
	}
}

// Fedora's servers have names of their own, and an rpm must not contain the name of the machine that built it.
func TestRPMsAreOfNoMachineAndRecommendWhatFedoraHas(t *testing.T) {
	for _, name := range []string{"gateway", "harness"} {
		var p struct {
			Recommends []string
			Overrides  map[string]struct{ Recommends []string }
			RPM        struct {
				BuildHost string `yaml:"buildhost"`
			}
		}
		if err := yaml.Unmarshal([]byte(read(t, "release/nfpm-"+name+".yaml")), &p); err != nil {
			t.Fatal(err)
		}
		rpm := p.Overrides["rpm"].Recommends
		if len(rpm) != len(p.Recommends) || !slices.Contains(rpm, "postgresql-server") || slices.Contains(rpm, "redis-server") {
			t.Errorf("%s: the rpm recommends %q, the deb %q", name, rpm, p.Recommends)
		}
		if p.RPM.BuildHost == "" {
			t.Errorf("%s: no rpm.buildhost: nfpm writes the machine's name", name)
		}
	}
}
