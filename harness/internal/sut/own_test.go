package sut

import (
	"slices"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/policy"
)

func TestOwnServicesThatAreNotAllowed(t *testing.T) {
	for _, c := range []struct {
		flag, text, ready string
		make              func(Own) (*System, error)
		want              string
	}{
		{flag: "command", text: "./server", want: `--command: "./server" is not allowed: want name=value`},
		{flag: "command", text: "A=./server", want: `name "A" is not allowed`},
		{flag: "command", text: "a=./server", ready: "health", want: `--ready: "health" is not allowed`},
		{flag: "command", text: "a=no-such-program-here", make: Own.Command, want: "no-such-program-here"},
		{flag: "command", text: "a=sh -c 'x y", make: Own.Command, want: "want a program and its arguments"},
		{flag: "image", text: "a=nginx:alpine", make: Own.Image, want: "want image@port"},
		{flag: "image", text: "a=nginx:alpine@0", make: Own.Image, want: `port "0" is not allowed`},
		{flag: "target", text: "a=https://127.0.0.1", make: Own.Target, want: "certificate of the lab alone"},
		{flag: "target", text: "a=127.0.0.1:80", make: Own.Target, want: "--target a"},
		{flag: "target", text: "a=http://127.0.0.1/api", make: Own.Target, want: "want http://host"},
	} {
		o, err := ParseOwn(c.flag, c.text, c.ready)
		if err == nil && c.make != nil {
			_, err = c.make(o)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.text, err, c.want)
		}
	}
}

func TestOwnCommandIsToldItsAddress(t *testing.T) {
	s, err := Own{Name: "mine", Value: "sh --listen={listen} {host} {port} 'at {origin}'", Ready: "/"}.Command()
	if err != nil {
		t.Fatal(err)
	}
	arm := Arm{System: s, Policy: &policy.Policy{}, Origin: "127.0.1.2:9000", Layout: lab.Layout{
		Listen: func(string, int) string { return "127.0.1.5:8000" },
	}}
	spec, err := arm.Node()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"--listen=127.0.1.5:8000", "127.0.1.5", "8000", "at 127.0.1.2:9000"}; !slices.Equal(spec.Args, want) {
		t.Errorf("arguments %q, want %q", spec.Args, want)
	}
	if spec.Env["PORT"] != "8000" || spec.Env["ORIGIN"] != "127.0.1.2:9000" || spec.Program != "own-mine" ||
		!strings.HasSuffix(s.Binary, "/sh") {
		t.Errorf("%+v, binary %s", spec, s.Binary)
	}
}

func TestOwnImageListensWhereItDoes(t *testing.T) {
	s, err := Own{Name: "mine", Value: "registry:5000/a/b@sha256:00@8080", Ready: "/"}.Image()
	if err != nil {
		t.Fatal(err)
	}
	spec, err := (&Arm{System: s, Policy: &policy.Policy{}, Origin: "origin:9000"}).Node()
	if err != nil {
		t.Fatal(err)
	}
	if spec.Source.Image != "registry:5000/a/b@sha256:00" || !slices.Equal(spec.Ports, []int{8080}) {
		t.Errorf("%+v", spec)
	}
}

func TestOwnServicesAreNamedOnce(t *testing.T) {
	mine := &System{Name: "mine"}
	if got, err := Find([]string{"mine", "nginx"}, mine, &System{Name: "other"}); err != nil || len(got) != 3 || got[0] != mine {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := Find([]string{"nginx"}, &System{Name: "nginx"}); err == nil || !strings.Contains(err.Error(), "choose another") {
		t.Errorf("error %v", err)
	}
}

// TestTargetsAreNotAskedWhatReachesTheOrigin: the lab's origin is not behind them.
func TestTargetsAreNotAskedWhatReachesTheOrigin(t *testing.T) {
	s, err := Own{Name: "out", Value: "http://127.0.0.1", Ready: "/"}.Target()
	if err != nil {
		t.Fatal(err)
	}
	p := &policy.Policy{Probes: []policy.Probe{{Name: "x"}}}
	if why := s.Lacks(p); why != "" || s.Address != "127.0.0.1:80" {
		t.Errorf("lacks %q at %s", why, s.Address)
	}
	p.Probes[0].Reach = &policy.Range{}
	if why := s.Lacks(p); !strings.Contains(why, "origin") {
		t.Errorf("lacks %q", why)
	}
}
