package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/subprocess"
)

// database makes a node's data folder. To make a new cluster takes longer than
// all else in the lab together, so one is kept for each version and copied.
func (p *programs) database(ctx context.Context, n *node, postgres string) (string, error) {
	data := filepath.Join(n.dir, "data")
	if _, err := os.Stat(data); err == nil {
		return data, nil
	}
	kept := keptCluster(postgres)
	if kept != "" {
		if _, err := os.Stat(filepath.Join(kept, "PG_VERSION")); err == nil {
			return data, copyTree(kept, data, n.runtime.cred)
		}
	}
	n.runtime.config.Progress("making a database cluster (once)")
	if err := newCluster(ctx, n, postgres, data); err != nil {
		return "", err
	}
	if kept != "" {
		keep(data, kept)
	}
	return data, nil
}

// unlockData removes the lock of a Postgres that was killed. A server takes its
// predecessor for alive as long as the kernel knows its number, and one whose
// parent is dead may wait for ever to be forgotten. Nothing is removed while a
// process is left in the node's folder.
func (n *node) unlockData() error {
	if n.spec.Program != lab.ProgramPostgres || len(within(n.dir)) > 0 {
		return nil
	}
	err := os.Remove(filepath.Join(n.dir, "data", "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// keptCluster is where the cluster of a server's version is kept; empty where
// this user has no place for such things.
func keptCluster(postgres string) string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256([]byte(postgres + "\n" + version(postgres, lab.Source{}) + "\n" +
		lab.PostgresUser + lab.PostgresPassword + lab.PostgresDatabase))
	return filepath.Join(cache, "gatelab", "postgres-"+hex.EncodeToString(sum[:6]))
}

// keep copies a new cluster for later runs. If that fails they make their own.
func keep(data, kept string) {
	half := fmt.Sprintf("%s.%d", kept, os.Getpid())
	if os.MkdirAll(filepath.Dir(kept), 0o700) != nil {
		return
	}
	defer os.RemoveAll(half)
	if copyTree(data, half, nil) == nil {
		_ = os.Rename(half, kept) // another run may have been first
	}
}

// newCluster makes the cluster, its user with a password, and the database.
func newCluster(ctx context.Context, n *node, postgres, data string) error {
	secret := n.local("/tmp/password")
	if err := os.WriteFile(secret, []byte(lab.PostgresPassword+"\n"), 0o600); err != nil {
		return err
	}
	defer os.Remove(secret)
	if c := n.runtime.cred; c != nil {
		if err := os.Chown(secret, int(c.Uid), int(c.Gid)); err != nil {
			return err
		}
	}
	bin := filepath.Dir(postgres)
	// Not synced: until the server has started the data is worth nothing.
	if err := n.run(ctx, "", filepath.Join(bin, "initdb"), "-D", data, "-U", lab.PostgresUser, "--pwfile="+secret,
		"--auth-host=scram-sha-256", "--auth-local=trust", "-E", "UTF8", "--locale=C", "-N", "--no-instructions"); err != nil {
		return err
	}
	return n.run(ctx, "CREATE DATABASE "+lab.PostgresDatabase+";\n", postgres, "--single", "-D", data, "postgres")
}

// run carries a command out as the node's user and waits for it.
func (n *node) run(ctx context.Context, input string, argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // our own command line
	cmd.Dir = n.dir
	cmd.Env = n.environment()
	cmd.Stdin = strings.NewReader(input)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: n.runtime.cred, Setpgid: true}
	if out, err := cmd.CombinedOutput(); err != nil {
		return subprocess.Failed(ctx, subprocess.Failure{What: "make the database cluster of " + n.Name(), Program: filepath.Base(argv[0]),
			Advice: "see that PostgreSQL is whole (make deps installs it) and that " + n.dir + " has room"}, err, out)
	}
	return nil
}

// copyTree copies a folder of files and folders, with their modes, for cred to
// own.
func copyTree(from, to string, cred *syscall.Credential) error {
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		there := filepath.Join(to, rel)
		info, err := e.Info()
		if err != nil {
			return err
		}
		if e.IsDir() {
			err = os.Mkdir(there, info.Mode().Perm())
		} else {
			err = copyFile(path, there, info.Mode().Perm())
		}
		if err == nil && cred != nil {
			err = os.Chown(there, int(cred.Uid), int(cred.Gid))
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("copy the database cluster: %w", err)
	}
	return nil
}
