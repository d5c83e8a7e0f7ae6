package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/gatelab/gatelab/gateway/internal/declarative"
	"github.com/gatelab/gatelab/gateway/internal/plugin/all"
)

// configFlags are the arguments of `gateway config` beside the settings.
type configFlags struct {
	argument string // FILE or REVISION
	dryRun   bool
	replace  bool
	exitCode bool
	format   string
	output   string
	size     int
	keep     int           // backups of a folder; 0: all
	every    time.Duration // between backups; 0: one
	trial    trialFlags
}

// configArguments are the commands below config, with their argument.
var configArguments = map[string]string{
	"check": "FILE", "diff": "FILE", "import": "FILE", "export": "", "history": "", "rollback": "REVISION", "help": "",
	"trial start": "FILE", "trial status": "", "trial promote": "NAME", "trial drop": "NAME",
}

// command reads the name of the command and its argument, which come before flags.
func (c *configFlags) command(args []string) (name string, rest []string, err error) {
	const want = "want check FILE, diff FILE, import FILE, export, history, rollback REVISION, " +
		"trial start FILE, trial status, trial promote NAME or trial drop NAME"
	switch {
	case len(args) == 0:
		return "", nil, errors.New(want)
	case slices.Contains(args, "--help") || slices.Contains(args, "-h"):
		return "config help", nil, nil
	}
	called, rest := args[0], args[1:]
	if called == "trial" && len(rest) > 0 {
		called, rest = called+" "+rest[0], rest[1:]
	}
	argument, known := configArguments[called]
	if !known {
		return "", nil, fmt.Errorf("%q: no such command: %s", called, want)
	}
	name = "config " + called
	if argument == "" {
		return name, rest, nil
	}
	if len(rest) == 0 || len(rest[0]) > 1 && rest[0][0] == '-' {
		return "", nil, fmt.Errorf("%s: want a %s before the flags: gateway config %s %s", called, argument, called, argument)
	}
	c.argument = rest[0]
	return name, rest[1:], nil
}

// add adds the flags of a command.
func (c *configFlags) add(fs *pflag.FlagSet, command string) {
	switch command {
	case "config import", "config rollback":
		fs.BoolVar(&c.dryRun, "dry-run", false, "only print what would change")
	case "backup":
		fs.IntVar(&c.keep, "keep", 0, "number of backups to keep in the folder; 0: all")
		fs.DurationVar(&c.every, "every", 0, "repeat the backup with this interval")
	case "restore":
		fs.BoolVar(&c.replace, "replace", false, "delete the existing configuration")
		fs.BoolVar(&c.dryRun, "dry-run", false, "restore and check everything, then roll back")
	case "config diff":
		fs.BoolVar(&c.exitCode, "exit-code", false, "exit with 1 if there are differences")
	case "config export":
		fs.StringVar(&c.format, "format", "yaml", "yaml or json")
		fs.StringVar(&c.output, "output", "", "file to write to, instead of stdout")
	case "config trial start":
		c.trial.add(fs)
	case "config history":
		fs.IntVar(&c.size, "size", 20, "number of the newest revisions to print")
	}
}

// readFile reads the file that the command is about; - is stdin. The error has a
// line for each problem.
func (inv *invocation) readFile() (*declarative.File, error) {
	var data []byte
	var err error
	if inv.config.argument == "-" {
		data, err = io.ReadAll(os.Stdin)
	} else {
		data, err = os.ReadFile(inv.config.argument)
	}
	if err != nil {
		return nil, err
	}
	file, err := declarative.Read(data, all.Plugins().Catalog())
	return file, inv.inFile(err)
}

// inFile puts the file's name before each problem.
func (inv *invocation) inFile(err error) error {
	var problems declarative.Problems
	if !errors.As(err, &problems) {
		return err
	}
	lines := make([]string, len(problems))
	unsupported := 0
	for i := range problems {
		kind := "invalid"
		if problems[i].Unsupported {
			kind = "unsupported"
			unsupported++
		}
		lines[i] = fmt.Sprintf("%s: %s: %s", inv.config.argument, kind, problems[i].String())
	}
	return fmt.Errorf("%d problems, %d of them with what this gateway does not have; nothing was written\n%s",
		len(problems), unsupported, strings.Join(lines, "\n"))
}

// configCheck is the command that finds everything that is invalid or unsupported
// in a file.
func configCheck(inv *invocation) error {
	file, err := inv.readFile()
	if err != nil {
		return err
	}
	set, err := file.Complete(nil, time.Now())
	if err != nil {
		return inv.inFile(err)
	}
	fmt.Fprintf(inv.stdout, "%s: %d entities, no problems; hash %s\n", inv.config.argument, set.Len(), file.Hash)
	return nil
}

// configHelp prints the commands.
func configHelp(inv *invocation) error {
	fs := pflag.NewFlagSet("trial", pflag.ContinueOnError)
	(&trialFlags{}).add(fs)
	_, err := fmt.Fprintf(inv.stdout, "%s\nFlags of trial start:\n\n%s", configUsage, fs.FlagUsagesWrapped(helpWidth))
	return err
}

// helpWidth is the width of help texts in columns.
const helpWidth = 80

const configUsage = `gateway config: declarative files in Kong's and decK's format, and the history.

  gateway config check FILE         print everything that is invalid or unsupported,
                                    one per line, and exit with 1 if there is
                                    something. Needs no database
  gateway config diff FILE          print what an import would change; --exit-code:
                                    exit with 1 if there are differences
  gateway config import FILE        replace the configuration in Postgres with that of
                                    the file, in one transaction and one revision.
                                    Entities that are not in the file are deleted.
                                    --dry-run only prints the changes
  gateway config export             print the configuration in Postgres as a file,
                                    with secrets; --format yaml|json, --output FILE
  gateway config history            print the newest revisions; --size N
  gateway config rollback REVISION  restore the configuration of an older revision, as
                                    a new revision; --dry-run only prints the changes
  gateway config trial start FILE   serve a part of the requests with the configuration
                                    of a file: --percent, --hash-on, --header or --replica
                                    selects them, --max-errors, --max-p99 and --window set
                                    the objectives, --lasts and --then how it ends,
                                    and --name its name
  gateway config trial status       print the trials and their request counts
  gateway config trial promote NAME make the configuration of a trial the current one
  gateway config trial drop NAME    end a trial, and discard its configuration

Use - as FILE for stdin. FILE comes before the flags. The settings of the gateway
(pg_dsn) are flags and variables as with gateway run: see gateway --help.
Documentation: docs/declarative.md and docs/trials.md.
`
