package main

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
	"testing"
)

// A closed terminal must not leave a lab broken; what nohup started goes on.
func TestAClosedTerminalIsAnOrderlyEnd(t *testing.T) {
	ignored := signal.Ignored(syscall.SIGHUP) // the tests themselves may run under nohup
	if !ignored && !slices.Contains(endings(), os.Signal(syscall.SIGHUP)) {
		t.Error("SIGHUP ends the process at once")
	}
	if !ignored {
		signal.Ignore(syscall.SIGHUP)
		defer signal.Reset(syscall.SIGHUP)
	}
	for _, s := range endings() {
		if s == syscall.SIGHUP {
			t.Error("what nohup has ignored is caught")
		}
	}
}
