package main

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
	"testing"
)

// Closing the terminal must not leave a lab with faults in it; what nohup started keeps running.
func TestClosingTheTerminalIsAnOrderlyEnd(t *testing.T) {
	ignored := signal.Ignored(syscall.SIGHUP) // the tests themselves may run under nohup
	if !ignored && !slices.Contains(endSignals(), os.Signal(syscall.SIGHUP)) {
		t.Error("SIGHUP ends the process at once")
	}
	if !ignored {
		signal.Ignore(syscall.SIGHUP)
		defer signal.Reset(syscall.SIGHUP)
	}
	for _, s := range endSignals() {
		if s == syscall.SIGHUP {
			t.Error("what nohup has ignored is caught")
		}
	}
}
