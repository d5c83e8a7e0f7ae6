package tune

import (
	"math"
	"os"
	"runtime/debug"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

func TestMemoryOf(t *testing.T) {
	for _, tt := range []struct {
		name  string
		limit uint64
		err   error
		want  int64
	}{
		{name: "a limit", limit: 256 << 20, want: 256 << 20},
		{name: "no limit", err: memlimit.ErrNoLimit},
		{name: "no control group", err: memlimit.ErrNoCgroup},
		{name: "a file that cannot be read", err: os.ErrPermission},
		{name: "a number near the largest", limit: math.MaxUint64},
	} {
		if got := memoryOf(func() (uint64, error) { return tt.limit, tt.err }); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestTune(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(limit) })
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	container := func() (uint64, error) { return 1_000_000_000, nil }
	c := Config{GCPercent: 300, GCFloor: 40 << 20, KeepGCPercent: true, KeepMemoryLimit: true}
	got := apply(&c, container)
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
	apply(&c, container)
	if p := debug.SetGCPercent(100); p != 100 {
		t.Errorf("GOGC from the environment was overruled by a default: %d", p)
	}
}
