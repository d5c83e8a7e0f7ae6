package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// finding is one line of the doctor: what was looked at, how it is, and what
// to do when it is not well.
type finding struct {
	what   string
	level  string // ok, note (works, with a loss) or lack (does not work)
	found  string
	remedy string
}

func doctorCommand() *cobra.Command {
	quick := false
	c := &cobra.Command{
		Use:   "doctor",
		Short: "say what this machine has and lacks, measure it, and say what can be concluded here",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), 30*time.Second)
			defer cancel()
			w := cmd.OutOrStdout()
			missing := printFindings(w, examine(ctx))
			if quick {
				return missing
			}
			m, err := measureMachine(cmd.Context(), w)
			if err != nil {
				return errors.Join(missing, fmt.Errorf("measure the machine: %w", err))
			}
			if err := printFindings(w, m.findings()); err != nil {
				return errors.Join(missing, err)
			}
			fmt.Fprint(w, "\nWhat can be concluded here, and what cannot:\n")
			for _, line := range m.conclusions() {
				fmt.Fprintf(w, "  %s\n", line)
			}
			return missing
		},
	}
	c.Flags().BoolVar(&quick, "quick", false, "look only, measure nothing")
	return c
}

// examine looks at the machine. Nothing is changed.
func examine(ctx context.Context) []finding {
	return []finding{
		cores(),
		memory(),
		disk("."),
		files(),
		engine(ctx),
		program("mmdebstrap", "makes images where none can be pulled; as root it is installed when it is needed", "sudo apt-get install mmdebstrap"),
		program("postgres", "tests use it", "make deps"),
		program("redis-server", "tests use it", "make deps"),
		program("nginx", "tests use it", "make deps"),
		program("node", "the edge's tests use it", "make deps"),
		program("prometheus", "make up shows the stack in it, tests use it", "make deps"),
		program("wrk", "the doctor compares the generator with it", "make deps"),
		program("chromium", "tests of the pages use it", "make deps"),
		program("go", "builds the two programs", "https://go.dev/dl"),
	}
}

func printFindings(w io.Writer, all []finding) error {
	lacking := 0
	for _, f := range all {
		fmt.Fprintf(w, "%-5s %-14s %s\n", f.level, f.what, f.found)
		if f.level != "ok" && f.remedy != "" {
			fmt.Fprintf(w, "      %-14s -> %s\n", "", f.remedy)
		}
		if f.level == "lack" {
			lacking++
		}
	}
	if lacking > 0 {
		return failed{fmt.Errorf("%d of %d things are lacking", lacking, len(all))}
	}
	return nil
}

func cores() finding {
	f := finding{what: "cores", level: "ok", found: fmt.Sprintf("%d", runtime.NumCPU())}
	if runtime.NumCPU() < 4 {
		f.level = "note"
		f.remedy = "generator, balancer, replicas and databases share these cores: read CPU per request and ratios, not absolute QPS"
	}
	return f
}

func memory() finding {
	var s syscall.Sysinfo_t
	if err := syscall.Sysinfo(&s); err != nil {
		return finding{what: "memory", level: "note", found: err.Error()}
	}
	free := s.Freeram * uint64(s.Unit) >> 20
	f := finding{what: "memory", level: "ok", found: fmt.Sprintf("%d MiB free of %d MiB", free, s.Totalram*uint64(s.Unit)>>20)}
	if s.Totalram*uint64(s.Unit) < 2<<30 {
		f.level, f.remedy = "lack", "the lab wants 2 GiB"
	}
	return f
}

func disk(dir string) finding {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return finding{what: "disk", level: "note", found: err.Error()}
	}
	free := s.Bavail * uint64(s.Bsize) >> 20
	f := finding{what: "disk", level: "ok", found: fmt.Sprintf("%d MiB free here", free)}
	if free < 2048 {
		f.level, f.remedy = "note", "images take about 500 MiB, a run's report 1 MiB"
	}
	return f
}

func files() finding {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return finding{what: "open files", level: "note", found: err.Error()}
	}
	f := finding{what: "open files", level: "ok", found: fmt.Sprintf("%d (hard limit %d)", r.Cur, r.Max)}
	if r.Max < 4096 {
		f.level, f.remedy = "note", "400 connections through three hops want 4096: ulimit -n 4096"
	}
	return f
}

// program looks for an executable on PATH, or where Debian keeps servers.
func program(name, why, remedy string) finding {
	for _, dir := range []string{"", "/usr/sbin/", "/usr/lib/postgresql/15/bin/"} {
		if p, err := exec.LookPath(dir + name); err == nil {
			return finding{what: name, level: "ok", found: p}
		}
	}
	return finding{what: name, level: "note", found: "not found: " + why, remedy: remedy}
}
