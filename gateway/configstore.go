package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/admin"
	"github.com/gatelab/gatelab/gateway/internal/declarative"
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin/all"
	"github.com/gatelab/gatelab/gateway/internal/settings"
	"github.com/gatelab/gatelab/gateway/internal/store"
)

// This file has the commands below config that use Postgres.

// withStore calls do with the store, whose schema is up to date.
func (inv *invocation) withStore(do func(*store.Postgres) error) error {
	s, err := openStore(inv.ctx, &inv.settings, nil, nil)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Migrate(inv.ctx); err != nil {
		return fmt.Errorf("use Postgres %s: %w", settings.HidePassword(inv.settings.PostgresDSN), err)
	}
	return do(s)
}

// setOf is stored entities as a set.
func setOf(revision int64, records map[string][]entity.Record) *declarative.Set {
	set := declarative.NewSet(all.Plugins().Catalog())
	set.Revision, set.Records = revision, records
	return set
}

// configDiff is the command that prints what an import would change.
func configDiff(inv *invocation) error {
	changes, err := inv.planned()
	if err != nil {
		return err
	}
	inv.print(changes, "would be ")
	if len(changes) > 0 && inv.config.exitCode {
		return errors.New("the file and the configuration differ")
	}
	return nil
}

// planned compares the file with what is stored.
func (inv *invocation) planned() (changes []declarative.Change, err error) {
	file, err := inv.readFile()
	if err != nil {
		return nil, err
	}
	err = inv.withStore(func(s *store.Postgres) error {
		have, err := s.Contents(inv.ctx)
		if err != nil {
			return err
		}
		changes, err = inv.compare(file, setOf(have.Revision, have.Records))
		return err
	})
	return changes, err
}

func (inv *invocation) compare(file *declarative.File, have *declarative.Set) ([]declarative.Change, error) {
	want, err := file.Complete(have, time.Now())
	if err == nil {
		err = want.Storable()
	}
	if err != nil {
		return nil, inv.inFile(err)
	}
	return declarative.Diff(have, want), nil
}

// configImport is the command that makes the stored configuration that of a file.
func configImport(inv *invocation) error {
	if inv.config.dryRun {
		return configDiff(inv)
	}
	file, err := inv.readFile()
	if err != nil {
		return err
	}
	return inv.replace("import", func(_ context.Context, have *store.Contents) ([]declarative.Change, error) {
		return inv.compare(file, setOf(have.Revision, have.Records))
	})
}

// configRollback is the command that brings an older revision back.
func configRollback(inv *invocation) error {
	revision, err := strconv.ParseInt(inv.config.argument, 10, 64)
	if err != nil || revision < 0 {
		return fmt.Errorf("rollback %q: want the number of a revision: see gateway config history", inv.config.argument)
	}
	return inv.replace("rollback", func(ctx context.Context, have *store.Contents) ([]declarative.Change, error) {
		then, lost, err := have.At(ctx, revision)
		if err != nil {
			return nil, err
		}
		if len(lost) > 0 {
			return nil, lostSecrets(revision, lost)
		}
		return declarative.Diff(setOf(have.Revision, have.Records), setOf(revision, then)), nil
	})
}

// lostSecrets is the error for entities whose secrets the history does not have.
func lostSecrets(revision int64, lost []store.Lost) error {
	lines := make([]string, len(lost))
	for i, l := range lost {
		lines[i] = fmt.Sprintf("%s: %s", declarative.Describe(l.Schema, l.Record), strings.Join(l.Fields, ", "))
	}
	return fmt.Errorf("revision %d has entities that were deleted since, with secrets, which the history does not keep; "+
		"nothing was changed; create them again with their ids, or import a file:\n%s", revision, strings.Join(lines, "\n"))
}

// errDryRun ends a transaction that must change nothing.
var errDryRun = errors.New("dry run")

// replace changes the stored configuration and prints what has changed.
func (inv *invocation) replace(operation string, plan func(context.Context, *store.Contents) ([]declarative.Change, error)) error {
	return inv.withStore(func(s *store.Postgres) error {
		var changes []declarative.Change
		planned := func(ctx context.Context, have *store.Contents) (_ []store.EntityChange, err error) {
			if changes, err = plan(ctx, have); err == nil && inv.config.dryRun {
				err = errDryRun
			}
			return admin.Stored(changes), err
		}
		revision, err := s.Replace(inv.ctx, commandActor(), operation, planned)
		switch {
		case errors.Is(err, errDryRun):
			inv.print(changes, "would be ")
			return nil
		case err != nil:
			return err
		}
		inv.print(changes, "")
		fmt.Fprintf(inv.stdout, "revision %d\n", revision)
		return nil
	})
}

func (inv *invocation) print(changes []declarative.Change, would string) {
	declarative.WriteChanges(inv.stdout, changes)
	created, updated, deleted := declarative.Count(changes)
	fmt.Fprintf(inv.stdout, "%s%d created, %d updated, %d deleted\n", would, created, updated, deleted)
}

// commandActor is the author of revisions that commands make.
func commandActor() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return "command:" + name
}

// configExport is the command that prints the stored configuration as a file.
func configExport(inv *invocation) (err error) {
	write := (*declarative.Set).WriteYAML
	switch inv.config.format {
	case "yaml":
	case "json":
		write = (*declarative.Set).WriteJSON
	default:
		return fmt.Errorf("--format=%q: want yaml or json", inv.config.format)
	}
	return inv.withStore(func(s *store.Postgres) error {
		have, err := s.Contents(inv.ctx)
		if err != nil {
			return err
		}
		set := setOf(have.Revision, have.Records)
		if inv.config.output == "" {
			return write(set, inv.stdout)
		}
		return writeFile(inv.config.output, func(w io.Writer) error { return write(set, w) })
	})
}

// writeFile makes a file that only its owner can read, whole or not at all.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path+".partial", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		return os.Rename(path+".partial", path)
	}
	_ = os.Remove(path + ".partial")
	return err
}

// configHistory is the command that prints the newest revisions.
func configHistory(inv *invocation) error {
	if inv.config.size < 1 || inv.config.size > 100_000 {
		return fmt.Errorf("--size=%d: want 1 to 100000", inv.config.size)
	}
	return inv.withStore(func(s *store.Postgres) error {
		list, err := s.Revisions(inv.ctx, 0, inv.config.size)
		if err != nil {
			return err
		}
		tw := tabwriter.NewWriter(inv.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(tw, "REVISION\tAT\tACTOR\tOPERATION\tENTITY")
		for i := range list {
			r := &list[i]
			fmt.Fprintf(tw, "%d\t%s\t%s\t%s\t%s\n", r.ID, r.At.UTC().Format(time.RFC3339), r.Actor, r.Operation, changed(r))
		}
		return tw.Flush()
	})
}

// changed names what a revision changed.
func changed(r *store.Revision) string {
	for _, half := range []map[string]any{r.Before, r.After} {
		if name, is := half["name"].(string); is && r.Entity == "trials" {
			return fmt.Sprintf("trial %q", name)
		}
	}
	if list, ok := r.After["changes"].([]any); ok {
		return fmt.Sprintf("%d entities", len(list))
	}
	s, ok := all.Plugins().Catalog().ByName(r.Entity)
	record := r.After
	if record == nil {
		record = r.Before
	}
	if !ok || record == nil {
		return r.Entity + " " + r.EntityID
	}
	return declarative.Describe(s, record)
}
