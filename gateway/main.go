// Command gateway is an API gateway: Kong's Admin API in front of Postgres, a
// fasthttp data plane behind it, responses cached and limits counted in Redis.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/gatelab/gatelab/gateway/internal/settings"
)

// version is set by the linker.
var version = "dev"

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // the command failed
	exitUsage  = 2 // the command line or the settings are invalid
)

func main() {
	os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// invocation is a command with its settings.
type invocation struct {
	ctx            context.Context // ends on SIGTERM and SIGINT
	settings       settings.Settings
	table          settings.Table
	askPostgres    bool // --postgres of check
	config         configFlags
	stdout, stderr io.Writer
}

// commands are those that take settings; token takes none.
var commands = map[string]func(*invocation) error{
	"run":     serve,
	"check":   check,
	"health":  askHealth,
	"migrate": migrate,
	"version": printVersion,
	"backup":  backup,
	"restore": restore,
	"help":    func(*invocation) error { return pflag.ErrHelp },

	"config check":    configCheck,
	"config diff":     configDiff,
	"config import":   configImport,
	"config export":   configExport,
	"config history":  configHistory,
	"config rollback": configRollback,

	"config trial start":   trialStart,
	"config trial status":  trialStatus,
	"config trial promote": trialPromote,
	"config trial drop":    trialDrop,

	"config help": configHelp,
}

// run runs the command that args name and returns the exit code.
func run(args, environ []string, stdout, stderr io.Writer) int {
	name := "run"
	if slices.Contains(args, "--version") { // of whatever settings
		fmt.Fprintln(stdout, version)
		return exitOK
	}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	inv := &invocation{stdout: stdout, stderr: stderr}
	switch name {
	case "token":
		return tokenCommand(args, stdout, stderr)
	case "migrate-from-kong":
		return migrateFromKong(args, stdout, stderr)
	case "backup", "restore":
		if len(args) == 0 || len(args[0]) > 1 && args[0][0] == '-' && args[0] != "--help" && args[0] != "-h" {
			fmt.Fprintf(stderr, "gateway %s: want a FILE before the flags, - for a pipe\n", name)
			return exitUsage
		}
		if args[0] == "-" || args[0][0] != '-' {
			inv.config.argument, args = args[0], args[1:]
		}
	case "config":
		var err error
		if name, args, err = inv.config.command(args); err != nil {
			fmt.Fprintf(stderr, "gateway config: %v\n", err)
			return exitUsage
		}
	}
	command, known := commands[name]
	if !known {
		fmt.Fprintf(stderr, "gateway: %q: no such command: want "+
			"run, backup, check, config, health, migrate, migrate-from-kong, restore, token or version\n", name)
		return exitUsage
	}
	err := inv.parse(name, args, environ)
	if err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintln(stderr, "gateway: invalid configuration:")
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintf(stderr, "  %s\n", strings.TrimSuffix(line, "\n"))
		}
		return exitUsage
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
		defer stop()
		context.AfterFunc(ctx, stop) // a second signal ends the program at once
		inv.ctx = ctx
		err = command(inv)
	}
	switch {
	case errors.Is(err, pflag.ErrHelp):
		fmt.Fprint(stdout, usage)
		settings.NewTable(&settings.Settings{}).WriteHelp(stdout)
	case err != nil:
		fmt.Fprintf(stderr, "gateway: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// parse reads the settings from flags and variables.
func (inv *invocation) parse(command string, args, environ []string) (err error) {
	fs := pflag.NewFlagSet("gateway", pflag.ContinueOnError)
	inv.config.add(fs, command)
	if command == "check" {
		fs.BoolVar(&inv.askPostgres, "postgres", false, "also connect to Postgres")
	}
	inv.table, err = settings.Load(&inv.settings, fs, args, environ)
	return err
}

func printVersion(inv *invocation) error {
	_, err := fmt.Fprintln(inv.stdout, version)
	return err
}

const usage = `gateway: an API gateway with Kong's Admin API.

Usage:
  gateway [run] [flags]     run the gateway until SIGTERM or SIGINT
  gateway check [flags]     validate the settings and print each with its origin;
                            --postgres also connects to Postgres
  gateway health [flags]    check whether the gateway that runs with these
                            settings is ready; exit code 0 or 1
  gateway config COMMAND    check, compare, import and export declarative files,
                            and manage the history and trials of the
                            configuration: gateway config --help
  gateway migrate [flags]   update the database schema, and exit
  gateway backup FILE       write the configuration in Postgres and its history
                            to a file with a checksum; - is stdout. For a FOLDER/,
                            the time is the name of the file, --keep N removes
                            older files, and --every 24h repeats it each day
  gateway restore FILE      restore a backup into an empty database; --replace:
                            delete an existing configuration first; --dry-run:
                            restore, check and roll back
  gateway migrate-from-kong FILE
                            print the differences from Kong for a kong.conf or a
                            declarative file
  gateway token new NAME    create a token for the Admin API, and its line for
                            admin_tokens_file; --role read-only or read-write
  gateway version           print the version; also gateway --version
  gateway --help            print this text

Every setting is a flag or a variable. Flags take precedence. An unknown flag or
GATEWAY_* variable is an error. Variables of Kong with the same meaning are also
read (see the end). The variables of the gateway take precedence over them. Other
variables of Kong are reported in the log. Durations need a unit (250ms, 5s, 2m,
7d), and sizes as well (64k, 64KiB, 1GiB).

Settings:
`
