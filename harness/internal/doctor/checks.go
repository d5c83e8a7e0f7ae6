package doctor

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
)

// look checks what this machine has, without measuring anything.
func look(ctx context.Context) []Finding {
	return []Finding{
		cores(), memory(), disk("."), openFiles(), dockerEngine(ctx),
		program("mmdebstrap", "builds images where none can be pulled; root installs it when it is needed",
			"sudo apt-get install mmdebstrap"),
		program("postgres", "a lab without containers and the tests use it", "make deps"),
		program("redis-server", "a lab without containers and the tests use it", "make deps"),
		program("nginx", "a lab without containers and the tests use it", "make deps"),
		program("node", "the edge and its tests use it", "make deps"),
		program("prometheus", "make up and the alert drill use it", "make deps"),
		program("wrk", "the doctor compares the load generator with it", "make deps"),
		program("chromium", "tests of the pages use it", "make deps"),
		program("go", "builds the two programs", "https://go.dev/dl"),
	}
}

func cores() Finding {
	f := Finding{Check: "cores", Level: OK, Found: strconv.Itoa(runtime.NumCPU())}
	if runtime.NumCPU() < 4 {
		f.Level = Warn
		f.Remedy = "generator, balancer, replicas and databases share these cores: read CPU per request and ratios, not absolute QPS"
	}
	return f
}

func memory() Finding {
	f := Finding{Check: "memory", Level: OK}
	free, total, err := machineMemory()
	if err != nil {
		f.Level, f.Found = Warn, err.Error()
		return f
	}
	f.Found = fmt.Sprintf("%d MiB free of %d MiB", free>>20, total>>20)
	if total < 2<<30 {
		f.Level, f.Remedy = Fail, "a lab needs 2 GiB"
	}
	return f
}

func disk(dir string) Finding {
	f := Finding{Check: "disk", Level: OK}
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		f.Level, f.Found = Warn, err.Error()
		return f
	}
	free := s.Bavail * uint64(s.Bsize) >> 20 //nolint:gosec // a block size is positive
	f.Found = fmt.Sprintf("%d MiB free here", free)
	if free < 2048 {
		f.Level, f.Remedy = Warn, "images take about 500 MiB, the report of a run 1 MiB"
	}
	return f
}

func openFiles() Finding {
	f := Finding{Check: "open files", Level: OK}
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		f.Level, f.Found = Warn, err.Error()
		return f
	}
	f.Found = fmt.Sprintf("%d (hard limit %d)", r.Cur, r.Max)
	if r.Max < 4096 {
		f.Level, f.Remedy = Warn, "400 connections through three hops need 4096: ulimit -n 4096"
	}
	return f
}

// program looks for an executable in PATH, and where Debian keeps servers.
func program(name, use, remedy string) Finding {
	places := []string{name, "/usr/sbin/" + name}
	if servers, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); err == nil {
		places = append(places, servers...)
	}
	for _, place := range places {
		if path, err := exec.LookPath(place); err == nil {
			return Finding{Check: name, Level: OK, Found: path}
		}
	}
	return Finding{Check: name, Level: Warn, Found: "not found: " + use, Remedy: remedy}
}
