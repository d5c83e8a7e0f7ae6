package tune

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
)

func TestContainerMemory(t *testing.T) {
	for _, tt := range []struct {
		name, file, text string
		want             int64
	}{
		{name: "cgroup v2", file: "sys/fs/cgroup/memory.max", text: "268435456\n", want: 256 << 20},
		{name: "cgroup v2 without a limit", file: "sys/fs/cgroup/memory.max", text: "max\n"},
		{name: "cgroup v1", file: "sys/fs/cgroup/memory/memory.limit_in_bytes", text: "268435456\n", want: 256 << 20},
		{name: "cgroup v1 without a limit", file: "sys/fs/cgroup/memory/memory.limit_in_bytes", text: "9223372036854771712\n"},
		{name: "none", file: "elsewhere", text: "1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir() + "/"
			if err := os.MkdirAll(filepath.Dir(root+tt.file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(root+tt.file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := containerMemory(root); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestTune(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) })
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	root := t.TempDir() + "/"
	if err := os.MkdirAll(root+"sys/fs/cgroup", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root+"sys/fs/cgroup/memory.max", []byte("1000000000"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := Config{GCPercent: 300, GCFloor: 40 << 20, KeepGCPercent: true, KeepMemoryLimit: true}
	got := apply(&c, root)
	if p := debug.SetGCPercent(100); p != 300 {
		t.Errorf("gc percent is %d, want 300", p)
	}
	if l := debug.SetMemoryLimit(-1); l != 900_000_000+10<<20 {
		t.Errorf("memory limit is %d, want nine tenths and the floor", l)
	}
	if len(got.floor) != 10<<20 {
		t.Errorf("floor of %d bytes: with 300 percent on top it does not make 40 MiB", len(got.floor))
	}
	got.KeepAlive()

	t.Setenv("GOGC", "50")
	apply(&c, root)
	if p := debug.SetGCPercent(100); p != 100 {
		t.Errorf("GOGC from the environment was overruled by a default: %d", p)
	}
}
