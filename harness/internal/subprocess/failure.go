// Package subprocess describes the failure of a program that the harness started
// (git, go, initdb, apt-get, wrk) in one sentence: its purpose, how it ended, the
// last line of its output, and what to do. A bare "exit status 128" says none of
// this.
package subprocess

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
)

// Failure is the failure of a child program.
type Failure struct {
	What    string // what was to be done, e.g. "build head"
	Program string // as a user would type it, e.g. "go build"
	Said    string // the last line that it wrote; empty: nothing
	Advice  string // what to do, as a sentence's end
	Err     error  // of package os/exec, or the context's
}

// Failed makes a Failure of what exec.Cmd returned and of the program's output;
// nil for a nil err. ctx is the command's: it tells a program that took too long
// from one that was killed.
func Failed(ctx context.Context, f Failure, err error, said []byte) error {
	if err == nil {
		return nil
	}
	f.Err, f.Said = err, LastLine(said)
	if ctx.Err() != nil {
		f.Err = context.Cause(ctx)
	}
	return &f
}

// Error is one line: "build head: go build ended with exit code 1 (x.go:3: no
// such thing): repair what it names, then start the gate again".
func (f *Failure) Error() string {
	said := ""
	if f.Said != "" {
		said = " (" + f.Said + ")"
	}
	return fmt.Sprintf("%s: %s %s%s: %s", f.What, f.Program, how(f.Err), said, f.Advice)
}

// Unwrap is the error of package os/exec, or the context's.
func (f *Failure) Unwrap() error { return f.Err }

// how says how a program ended, as a verb phrase.
func how(err error) string {
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "is not installed"
	case errors.Is(err, context.DeadlineExceeded):
		return "did not end in time"
	case errors.Is(err, context.Canceled):
		return "was stopped"
	case errors.As(err, &exit):
		if w, ok := exit.Sys().(syscall.WaitStatus); ok && w.Signaled() {
			return "was ended by the signal " + w.Signal().String()
		}
		return fmt.Sprintf("ended with exit code %d", exit.ExitCode())
	}
	return "could not be run: " + err.Error()
}

// mostLine bounds what is quoted of a program's output.
const mostLine = 400

// LastLine is the last line of a program's output that is not empty.
func LastLine(said []byte) string {
	said = bytes.TrimSpace(said)
	line := bytes.TrimSpace(said[bytes.LastIndexByte(said, '\n')+1:])
	if len(line) > mostLine {
		return string(bytes.ToValidUTF8(line[:mostLine], nil)) + "..."
	}
	return string(line)
}
