// Command harness is gatelab's laboratory: it starts a topology around an API
// gateway, replays staged optimizations, breaks things, measures and reports.
// The nodes that are our own (worker, origin, link) are subcommands of it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker.
var version = "dev"

// Exit codes, for scripts.
const (
	exitOK      = 0
	exitFailed  = 1   // a stage missed what the scenario asks (invalid run, failed fault)
	exitUnable  = 2   // could not run: bad input, no engine, no room
	exitUnsure  = 3   // a comparison ran, and the data carry no verdict
	exitStopped = 130 // Ctrl-C
)

// failed marks an error that says "it ran, and the outcome is bad".
type failed struct{ error }

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	defer stop()
	// The first signal begins an orderly end; the next one is the default again
	// and ends the process at once.
	context.AfterFunc(ctx, stop)

	err := command().ExecuteContext(ctx)
	var bad failed
	var unsure inconclusive
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "harness: stopped")
		return exitStopped
	case errors.As(err, &bad):
		fmt.Fprintln(os.Stderr, "harness:", err)
		return exitFailed
	case errors.As(err, &unsure):
		fmt.Fprintln(os.Stderr, "harness:", err)
		return exitUnsure
	default:
		fmt.Fprintln(os.Stderr, "harness:", err)
		return exitUnable
	}
}

// endings are the signals that begin an orderly end. A terminal that closes is
// one, for what is broken must be mended then too, save where whoever started
// this program had it ignored, as nohup does.
func endings() []os.Signal {
	all := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		all = append(all, syscall.SIGHUP)
	}
	return all
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "harness",
		Short:         "a benchmark and operations lab around an API gateway",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(runCommand(), upCommand(), downCommand(), reportCommand(), serveCommand(), doctorCommand(),
		gateCommand(), costCommand(), capacityCommand(), dashboardsCommand(), chaosCommand(), faultCommand(),
		workerCommand(), originCommand(), linkCommand(), redisCommand(), balancerCommand(), receiverCommand(), readyCommand())
	return root
}
