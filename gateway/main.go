// Command gateway is an API gateway: Kong's Admin API in front of Postgres, a
// fasthttp data plane behind it, responses cached and limits counted in Redis.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
)

// version is set by the linker.
var version = "dev"

func main() {
	os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// run is the program but for the process around it. It returns the exit code:
// 0, 1 when something went wrong, 2 when it was called wrongly.
func run(args, environ []string, stdout, stderr io.Writer) int {
	command := "run"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		command, args = args[0], args[1:]
	}
	if command == "token" {
		return tokenCommand(args, stdout, stderr)
	}
	do, known := map[string]func(*call) error{
		"run": serve, "check": check, "health": askHealth, "migrate": migrate, "version": printVersion,
		"help": func(*call) error { return pflag.ErrHelp },
	}[command]
	if !known {
		fmt.Fprintf(stderr, "gateway: %q: no such command: want run, check, health, migrate, token or version\n", command)
		return 2
	}

	c := &call{stdout: stdout, stderr: stderr}
	fs := pflag.NewFlagSet("gateway", pflag.ContinueOnError)
	if command == "check" {
		fs.BoolVar(&c.askPostgres, "postgres", false, "also ask whether Postgres answers")
	}
	var err error
	c.table, err = loadSettings(&c.settings, fs, args, environ)
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
		defer stop()
		context.AfterFunc(ctx, stop) // a second signal ends the program at once
		c.ctx = ctx
		if err = do(c); err == nil {
			return 0
		}
		if !errors.Is(err, pflag.ErrHelp) {
			fmt.Fprintf(stderr, "gateway: %v\n", err)
			return 1
		}
	}
	if errors.Is(err, pflag.ErrHelp) {
		writeUsage(stdout, newSettings(&settings{}))
		return 0
	}
	fmt.Fprintln(stderr, "gateway: these settings are wrong:")
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(stderr, "  %s\n", strings.TrimSuffix(line, "\n"))
	}
	return 2
}

// call is one command with its settings.
type call struct {
	ctx            context.Context // ends on SIGTERM and SIGINT
	settings       settings
	table          []*setting
	askPostgres    bool
	stdout, stderr io.Writer
}

// isDefault tells whether nobody set a setting.
func (c *call) isDefault(name string) bool {
	for _, s := range c.table {
		if s.name == name {
			return s.origin == "default"
		}
	}
	return false
}

func printVersion(c *call) error {
	_, err := fmt.Fprintln(c.stdout, version)
	return err
}

// newLogger writes to stderr: stdout is for what a command is asked for.
func newLogger(s *settings, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.logLevel)) // one of the choices, all of which are levels
	options := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewJSONHandler(w, options)
	if s.logFormat == "text" {
		h = slog.NewTextHandler(w, options)
	}
	return slog.New(h).With("node", s.nodeName)
}
