package kubernetes

import (
	"maps"
	"testing"
	"time"

	core "k8s.io/api/core/v1"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/lab/docker"
)

// TestPodOf: what a spec says is in the pod.
func TestPodOf(t *testing.T) {
	r := &Runtime{config: lab.RuntimeConfig{RunID: "r1"}}
	s := lab.Spec{
		Name: "gateway-1", Role: "gateway", Env: map[string]string{"B": "2", "A": "1"}, Ports: []int{8000}, Inner: []int{9100},
		Files: map[string][]byte{"/etc/x.conf": []byte("x")}, CPUs: 0.5, Memory: 64 << 20, CPUWeight: 2048,
		Scratch: []string{"/small"}, ScratchMB: 48,
	}
	img := image{Image: docker.Image{Entrypoint: []string{"/gateway"}, Args: []string{"run"}, User: "999", Env: map[string]string{"A": "0"}},
		name: "gatelab/gateway:1", pull: core.PullNever}
	p := r.podOf(s, img)
	c := p.Spec.Containers[0]
	if c.Image != img.name || c.Command[0] != "/gateway" || c.Args[0] != "run" || c.ImagePullPolicy != core.PullNever {
		t.Errorf("the container is %+v", c)
	}
	if len(c.Env) != 2 || c.Env[0] != (core.EnvVar{Name: "A", Value: "1"}) || c.Env[1] != (core.EnvVar{Name: "B", Value: "2"}) {
		t.Errorf("its environment is %v", c.Env)
	}
	if got := c.Resources.Limits.Cpu().MilliValue(); got != 500 {
		t.Errorf("a limit of %d thousandths of a core, want 500", got)
	}
	if got := c.Resources.Limits.Memory().Value(); got != 64<<20 {
		t.Errorf("a limit of %d bytes, want %d", got, 64<<20)
	}
	if got := c.Resources.Requests.Cpu().MilliValue(); got != 2*usualMilli {
		t.Errorf("it asks for %d thousandths of a core, want twice the usual %d", got, usualMilli)
	}
	if *c.SecurityContext.RunAsUser != 999 {
		t.Errorf("it runs as %d", *c.SecurityContext.RunAsUser)
	}
	mounted := map[string]string{} // path -> volume
	for _, m := range c.VolumeMounts {
		mounted[m.MountPath] = m.Name
	}
	if want := map[string]string{"/etc/x.conf": "files", "/small": "scratch-0"}; !maps.Equal(mounted, want) {
		t.Errorf("mounted are %v, want %v", mounted, want)
	}
	if files := r.secretOf(s).Data; string(files[fileKey("/etc/x.conf")]) != "x" {
		t.Errorf("the files are %v", files)
	}
	ports := r.serviceOf(s).Spec.Ports
	if len(ports) != 2 || ports[0].Port != 8000 || ports[1].Port != 9100 {
		t.Errorf("the service has %v", ports)
	}
}

// TestAbandoned: only a process that is surely gone has left a lab.
func TestAbandoned(t *testing.T) {
	own, err := docker.OwnerLabels()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	with := func(changes map[string]string) map[string]string {
		notes := maps.Clone(own)
		notes[annotationAlive] = at.Format(time.RFC3339)
		maps.Copy(notes, changes)
		return notes
	}
	for _, c := range []struct {
		name  string
		notes map[string]string
		want  bool
	}{
		{name: "of this process", notes: with(nil)},
		{name: "of a process that is gone", notes: with(map[string]string{"gatelab.start": "1"}), want: true},
		{name: "of another machine", notes: with(map[string]string{"gatelab.boot": "another", "gatelab.start": "1"})},
		{
			name: "of another machine, long silent", want: true,
			notes: with(map[string]string{"gatelab.boot": "another", annotationAlive: at.Add(-time.Hour).Format(time.RFC3339)}),
		},
		{name: "without a sign of life", notes: map[string]string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := abandoned(c.notes, at); got != c.want {
				t.Errorf("abandoned: %v, want %v", got, c.want)
			}
		})
	}
}
