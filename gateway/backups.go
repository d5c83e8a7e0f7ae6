package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/store"
)

// The names of the backups in a folder sort by their times, which are in UTC.
const (
	backupPrefix = "gateway-"
	backupSuffix = ".backup"
	backupTime   = "20060102T150405Z"
)

// Bounds of backup --keep and --every. A shorter interval than a minute gives names that
// are the same.
const (
	mostKept    = 10_000
	leastEvery  = time.Minute
	mostEvery   = 366 * 24 * time.Hour
	retryBackup = time.Minute // after one that failed, where that is sooner than the next
)

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir() || strings.HasSuffix(name, string(filepath.Separator))
}

// checkBackups returns an error that names the flag, its value and what is allowed.
func (c *configFlags) checkBackups() error {
	switch {
	case c.keep < 0 || c.keep > mostKept:
		return fmt.Errorf("--keep=%d: want 0 (all) to %d", c.keep, mostKept)
	case c.every != 0 && (c.every < leastEvery || c.every > mostEvery):
		return fmt.Errorf("--every=%s: want 0 (once) or %s to %s", c.every, leastEvery, mostEvery)
	}
	return nil
}

// backups writes a backup into a folder, named by its time, and again after each
// interval, if there is one. One that fails later is printed, and tried again.
func (inv *invocation) backups(write func(name string) (*store.BackupInfo, error)) error {
	if err := inv.config.checkBackups(); err != nil {
		return err
	}
	if err := inv.oneBackup(write); err != nil || inv.config.every == 0 {
		return err
	}
	wait := inv.config.every
	for {
		select {
		case <-inv.ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = inv.config.every
		if err := inv.oneBackup(write); err != nil && inv.ctx.Err() == nil {
			fmt.Fprintf(inv.stderr, "gateway: backup: %v\n", err)
			wait = min(wait, retryBackup)
		}
	}
}

func (inv *invocation) oneBackup(write func(name string) (*store.BackupInfo, error)) error {
	folder := inv.config.argument
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	name := filepath.Join(folder, backupPrefix+time.Now().UTC().Format(backupTime)+backupSuffix)
	info, err := write(name)
	if err != nil {
		return err
	}
	printBackup(inv.stdout, name, info)
	return removeBackups(folder, inv.config.keep)
}

// removeBackups keeps the newest backups of a folder, and everything that is none.
func removeBackups(folder string, keep int) error {
	entries, err := os.ReadDir(folder) // sorted by name, and so by time
	if err != nil || keep == 0 {
		return err
	}
	var found []string
	for _, e := range entries {
		text, ours := strings.CutPrefix(e.Name(), backupPrefix)
		text, ends := strings.CutSuffix(text, backupSuffix)
		if _, err := time.Parse(backupTime, text); ours && ends && err == nil && e.Type().IsRegular() {
			found = append(found, filepath.Join(folder, e.Name()))
		}
	}
	var errs []error
	for _, name := range found[:max(0, len(found)-keep)] {
		errs = append(errs, os.Remove(name))
	}
	return errors.Join(errs...)
}
