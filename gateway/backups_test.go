package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/store"
	"github.com/gatelab/gatelab/internal/testenv"
)

// names are the files of a folder.
func names(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestBackupsInAFolder(t *testing.T) {
	dsn, folder := testenv.Postgres(t), filepath.Join(t.TempDir(), "daily")+"/"
	command := func(args ...string) (int, string) {
		var out strings.Builder
		code := run(append(args, "--pg-dsn="+dsn), nil, &out, &out)
		return code, out.String()
	}
	if code, out := command("backup", folder, "--keep=2"); code != 0 {
		t.Fatalf("%d %s", code, out)
	}
	made := names(t, folder)
	if len(made) != 1 {
		t.Fatalf("the folder has %q", made)
	}
	if code, out := command("restore", filepath.Join(folder, made[0])); code != 0 {
		t.Errorf("restore: %d %s", code, out)
	}
	for _, name := range []string{
		"gateway-20200101T000000Z.backup", "gateway-20200102T000000Z.backup", "gateway-20200102T000000Z.backup.partial",
		"gateway-yesterday.backup", "notes.txt",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // the names have whole seconds
	if code, out := command("backup", folder, "--keep=2"); code != 0 {
		t.Fatalf("%d %s", code, out)
	}
	if got := names(t, folder); len(got) != 5 || got[1] != made[0] {
		t.Errorf("--keep=2 of four backups leaves %q", got)
	}
	for _, c := range []struct{ flag, want string }{
		{"--keep=-1", "--keep=-1: want 0 (all) to 10000"},
		{"--every=10s", "--every=10s: want 0 (once) or 1m0s to 8784h0m0s"},
	} {
		if code, out := command("backup", folder, c.flag); code != 1 || !strings.Contains(out, c.want) {
			t.Errorf("%s: %d %s", c.flag, code, out)
		}
	}
	file := filepath.Join(t.TempDir(), "one.backup")
	if code, out := command("backup", file, "--keep=2"); code != 1 || !strings.Contains(out, "want a folder with --keep") {
		t.Errorf("--keep with a file: %d %s", code, out)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the file was written")
	}
}

// TestBackupsGoOn has one of the later backups fail.
func TestBackupsGoOn(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 72*time.Hour)
		defer cancel()
		var out, problems strings.Builder
		inv := &invocation{ctx: ctx, stdout: &out, stderr: &problems}
		inv.config = configFlags{argument: folder, every: 24 * time.Hour, keep: 3}
		calls := 0
		err := inv.backups(func(name string) (*store.BackupInfo, error) {
			if calls++; calls == 2 {
				return nil, errors.New("no connection")
			}
			return &store.BackupInfo{}, os.WriteFile(name, nil, 0o600)
		})
		if err != nil || calls != 4 || !strings.Contains(problems.String(), "no connection") {
			t.Errorf("%d backups: %v; %s", calls, err, problems.String())
		}
		// Days 0, 1 and a minute, and 2 and a minute.
		if got := names(t, folder); len(got) != 3 || got[2] != "gateway-20000103T000100Z.backup" {
			t.Errorf("the folder has %q", got)
		}
	})
}
