package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/procfs"
)

// write makes a tree of files.
func write(t testing.TB, root string, files map[string]string) {
	t.Helper()
	for name, body := range files {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(body), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUsage(t *testing.T) {
	want := Usage{CPU: 1500 * time.Millisecond, Throttled: 250 * time.Millisecond, Memory: 2000, MemoryPeak: 9000}
	for _, c := range []struct {
		name   string
		groups []procfs.Cgroup
		files  map[string]string
	}{
		{
			name: "version 1",
			groups: []procfs.Cgroup{
				{HierarchyID: 5, Controllers: []string{"cpu", "cpuacct"}, Path: "/docker/x"},
				{HierarchyID: 4, Controllers: []string{"memory"}, Path: "/docker/x"},
				{HierarchyID: 0, Path: "/"},
			},
			files: map[string]string{
				"cpuacct/docker/x/cpuacct.usage":               "1500000000\n",
				"cpu/docker/x/cpu.stat":                        "nr_periods 5\nnr_throttled 2\nthrottled_time 250000000\n",
				"memory/docker/x/memory.usage_in_bytes":        "3000\n",
				"memory/docker/x/memory.max_usage_in_bytes":    "9000\n",
				"memory/docker/x/memory.stat":                  "inactive_file 7\ntotal_inactive_file 1000\n",
				"memory/docker/x/memory.kmem.max_usage_in_byt": "1\n",
			},
		},
		{
			name:   "version 2",
			groups: []procfs.Cgroup{{HierarchyID: 0, Path: "/system.slice/docker-x.scope"}},
			files: map[string]string{
				"system.slice/docker-x.scope/cpu.stat":       "usage_usec 1500000\nuser_usec 1\nthrottled_usec 250000\n",
				"system.slice/docker-x.scope/memory.current": "3000\n",
				"system.slice/docker-x.scope/memory.peak":    "9000\n",
				"system.slice/docker-x.scope/memory.stat":    "inactive_file 1000\n",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			write(t, root, c.files)
			if got, err := Of(root, c.groups); err != nil || got != want {
				t.Errorf("%+v, %v, want %+v", got, err, want)
			}
			if _, err := Of(t.TempDir(), c.groups); err == nil {
				t.Error("no error where the files are missing")
			}
		})
	}
}

// Version 2 without the cpu controller and before Linux 5.19.
func TestUsageWithoutOptionalFiles(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{
		"x/cpu.stat": "usage_usec 1500000\n", "x/memory.current": "3000\n", "x/memory.stat": "inactive_file 1000\n",
	})
	got, err := Of(root, []procfs.Cgroup{{Path: "/x"}})
	if want := (Usage{CPU: 1500 * time.Millisecond, Memory: 2000}); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

// A process of this machine is in groups that can be read, whatever the version.
func TestUsageOfThisProcess(t *testing.T) {
	self, err := procfs.Self()
	if err != nil {
		t.Skipf("no /proc: %v", err)
	}
	groups, err := self.Cgroups()
	if err != nil || len(groups) == 0 {
		t.Skipf("no control groups: %v", err)
	}
	u, err := Of(Root, groups)
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("the groups of this process are not visible from here: %v", err)
	}
	if err != nil || u.CPU == 0 || u.Memory == 0 {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestCores(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  float64
		ok    bool
	}{
		{name: "version 2", files: map[string]string{"cpu.max": "150000 100000\n"}, want: 1.5, ok: true},
		{name: "version 2 without a limit", files: map[string]string{"cpu.max": "max 100000\n"}},
		{name: "version 1", files: map[string]string{"cpu/cpu.cfs_quota_us": "5000\n", "cpu/cpu.cfs_period_us": "10000\n"}, want: 0.5, ok: true},
		{name: "version 1 without a limit", files: map[string]string{"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}},
		{name: "no control groups"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			write(t, root, c.files)
			if got, ok := Cores(root); got != c.want || ok != c.ok {
				t.Errorf("%v, %v, want %v, %v", got, ok, c.want, c.ok)
			}
		})
	}
}

// Files of the kernel's are read or refused.
func FuzzCgroupFiles(f *testing.F) {
	f.Add("200000 100000\n", "usage_usec 12\nthrottled_usec 3\n", "4096\n")
	f.Add("max 100000\n", "usage_usec -1\nusage_usec ", "")
	f.Add("NaN 0", "usage_usec 18446744073709551615\n", "1e3")
	f.Add("1 +Inf", "", "-5")
	f.Fuzz(func(t *testing.T, cpuMax, stat, value string) {
		root := t.TempDir()
		write(t, root, map[string]string{
			"cpu.max": cpuMax, "cpu.stat": stat, "memory.stat": "inactive_file 1\n", "memory.current": value,
		})
		if n, ok := Cores(root); ok && !(n > 0) {
			t.Fatalf("cpu.max %q: %v cores", cpuMax, n)
		}
		if u, err := Of(root, nil); err == nil && u.CPU < 0 {
			t.Fatalf("%+v", u)
		}
	})
}
