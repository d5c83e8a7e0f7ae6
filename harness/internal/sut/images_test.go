package sut

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/policy"
	"github.com/gatelab/gatelab/internal/testenv"
	"github.com/gatelab/gatelab/internal/testenv/gatewaytest"
)

// comparePolicies are those that the project ships.
func comparePolicies(t *testing.T) []policy.Policy {
	t.Helper()
	set, err := policy.Read("../../../scenarios/compare.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return set.Policies
}

// untested are the systems that are had as an image only: their configuration is all that can be tested without an engine.
func untested() []*System {
	return slices.DeleteFunc(Systems(), func(s *System) bool { return s.Tested })
}

// rendered is the node of a system under a policy, on a network with addresses of its own, and its parsed files by path.
func rendered(t *testing.T, s *System, p *policy.Policy) (lab.Spec, map[string]any) {
	t.Helper()
	arm := Arm{System: s, Policy: p, Origin: "origin:9000", Cores: []int{1, 2, 3}}
	spec, err := arm.Node()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]any{}
	for path, content := range spec.Files {
		var parsed any
		if filepath.Ext(path) == ".pem" {
			if block, _ := pem.Decode(content); block == nil {
				t.Errorf("%s holds no PEM:\n%s", path, content)
			}
			continue
		}
		decode := json.Unmarshal
		if ext := filepath.Ext(path); ext == ".yaml" || ext == ".yml" {
			decode = func(b []byte, to any) error { return yaml.NewDecoder(bytes.NewReader(b)).Decode(to) }
		}
		if err := decode(content, &parsed); err != nil {
			t.Errorf("%s: %v\n%s", path, err, content)
		}
		files[path] = parsed
	}
	return spec, files
}

// TestConfigurationsOfImagesHoldWhatAPolicyAsksFor renders every configuration that cannot be tried without its image.
func TestConfigurationsOfImagesHoldWhatAPolicyAsksFor(t *testing.T) {
	policies := comparePolicies(t)
	for _, s := range untested() {
		for i := range policies {
			p := &policies[i]
			if s.Lacks(p) != "" {
				continue
			}
			t.Run(s.Name+"/"+p.Name, func(t *testing.T) {
				spec, _ := rendered(t, s, p)
				var all strings.Builder
				for _, content := range spec.Files {
					all.Write(content)
				}
				wanted := []string{"origin"}
				if p.Auth != nil {
					wanted = append(wanted, map[string]string{
						policy.AuthKey: p.Auth.Key, policy.AuthBasic: p.Auth.User, policy.AuthJWT: p.Auth.Issuer}[p.Auth.Kind])
				}
				for _, h := range []policy.Headers{p.Request, p.Response} {
					wanted = append(wanted, h.Remove...)
					for k := range h.Set {
						wanted = append(wanted, k)
					}
				}
				for _, l := range p.Limits {
					wanted = append(wanted, l.Path)
				}
				for _, r := range p.Routes {
					wanted = append(wanted, r.Paths()[max(r.Count-1, 0)])
				}
				for _, w := range wanted {
					if !strings.Contains(all.String(), w) {
						t.Errorf("no file has %q", w)
					}
				}
			})
		}
	}
}

// TestSystemsCanDoSomething: a system that lacks every policy, or the plainest, is no system to compare.
func TestSystemsCanDoSomething(t *testing.T) {
	policies := comparePolicies(t)
	for _, s := range Systems() {
		able := map[string]bool{}
		for i := range policies {
			able[policies[i].Name] = s.Lacks(&policies[i]) == ""
		}
		if !able["plain"] || !able["body-1m"] || !able["response-headers"] {
			t.Errorf("%s: %v", s.Name, able)
		}
	}
}

// TestKongFileIsTakenByAnAdminAPI applies Kong's file to our own gateway, which checks plugins as Kong does.
func TestKongFileIsTakenByAnAdminAPI(t *testing.T) {
	policies := comparePolicies(t)
	dsn := testenv.Postgres(t)
	gateway := gatewaytest.Start(t, gatewaytest.Build(t), dsn)
	admin := "http://" + gateway.Admin
	applied := 0
	for i := range policies {
		p := &policies[i]
		// Ten thousand routes are applied as a thousand are, a call each, for minutes.
		if kongOpen().Lacks(p) != "" || p.Name == "routes-10000" {
			continue
		}
		_, files := rendered(t, kongOpen(), p)
		file := files[kongFile].(map[string]any)
		if file["_format_version"] != "3.0" {
			t.Fatalf("%s: _format_version %v", p.Name, file["_format_version"])
		}
		renamed(file, p.Name)
		if err := Apply(t.Context(), admin, file); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		applied++
	}
	if applied < 10 {
		t.Errorf("%d files were applied: too much is lacking", applied)
	}
}

// renamed gives a file's entities names of their own, so that several files are applied to one gateway.
func renamed(file map[string]any, to string) {
	for _, s := range list(file["services"]) {
		s["name"] = to
		for _, r := range list(s["routes"]) {
			r["name"] = to + "-" + r["name"].(string)
		}
	}
	for _, c := range list(file["consumers"]) {
		c["username"] = to
	}
}
