package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/store"
)

// backup is the command that writes the configuration in Postgres, with its
// history, to a file.
func backup(inv *invocation) error {
	return inv.withStore(func(s *store.Postgres) error {
		var info *store.BackupInfo
		write := func(w io.Writer) (err error) {
			info, err = s.Backup(inv.ctx, w)
			return err
		}
		if inv.config.argument == "-" {
			return write(inv.stdout)
		}
		if isFolder(inv.config.argument) {
			return inv.backups(func(name string) (*store.BackupInfo, error) {
				err := writeFile(name, write)
				return info, err
			})
		}
		if inv.config.keep > 0 || inv.config.every > 0 {
			return fmt.Errorf("%s: want a folder with --keep and --every", inv.config.argument)
		}
		if err := writeFile(inv.config.argument, write); err != nil {
			return err
		}
		printBackup(inv.stdout, inv.config.argument, info)
		return nil
	})
}

func printBackup(w io.Writer, name string, info *store.BackupInfo) {
	entities := 0
	for table, n := range info.Rows {
		if table != "revisions" {
			entities += n
		}
	}
	fmt.Fprintf(w, "%s: revision %d of %s, schema %d, %d rows, %d revisions\n",
		name, info.Revision, info.At.Format(time.RFC3339), info.Schema, entities, info.Rows["revisions"])
}

// restore is the command that brings the configuration of a backup into Postgres.
func restore(inv *invocation) error {
	var from io.Reader = os.Stdin
	if inv.config.argument != "-" {
		f, err := os.Open(inv.config.argument)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		from = f
	}
	return inv.withStore(func(s *store.Postgres) error {
		o := store.RestoreOptions{Replace: inv.config.replace, DryRun: inv.config.dryRun, Actor: commandActor()}
		info, err := s.Restore(inv.ctx, from, o)
		if errors.Is(err, store.ErrNotEmpty) {
			return fmt.Errorf("%w; nothing was changed: --replace deletes it, with its history", err)
		}
		if err != nil {
			return err
		}
		did := "restored "
		if o.DryRun {
			did = "can be restored: "
		}
		printBackup(inv.stdout, did+inv.config.argument, info)
		return nil
	})
}
