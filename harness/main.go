// Command harness is gatelab's lab: it starts a topology around an API gateway, replays staged optimizations, injects faults, compares
// builds, measures and reports. The nodes of a lab that are our own programs (worker, origin, link and others) are its subcommands as well.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// version is set by the linker.
var version = "dev"

func main() {
	os.Exit(NewProgram().Run(untilSignal(context.Background()), os.Args[1:]))
}

// sameSignal is how long after the first signal further ones are taken for the same: timeout(1) signals its child and then its process
// group, and a shell may pass on what the terminal has sent already.
const sameSignal = time.Second

// untilSignal is a context that the first signal ends, which begins an orderly end. Signals within sameSignal of it are the same one; after
// that they have their default effect, and the next one ends the process at once.
func untilSignal(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, endSignals()...)
	go func() {
		<-signals
		cancel()
		time.Sleep(sameSignal)
		signal.Stop(signals)
	}()
	return ctx
}

// endSignals are the signals that begin an orderly end. Closing the terminal is one of them, because faults must be undone then too, unless
// this process was started with SIGHUP ignored, as nohup does.
func endSignals() []os.Signal {
	all := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		all = append(all, syscall.SIGHUP)
	}
	return all
}
