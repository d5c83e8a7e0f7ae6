package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// slots is how many labs of one user may run at a time.
const slots = 200

// dir is a run's folder. For as long as the harness lives it holds a lock on a
// file in it, so that others can tell a living run from a dead one.
type dir struct {
	path string
	slot int
	lock *os.File
	// guard is held for as long as the slot's addresses are used: a lab of another TMPDIR, whose locks are elsewhere, takes other ones.
	guard net.Listener
	left  []string // nodes of a dead run that were removed to make place
}

// owner is what a run writes of itself.
type owner struct {
	RunID string `json:"run_id"`
	Keep  bool   `json:"keep"`
	PID   int    `json:"pid"`
}

const (
	lockFile  = "lock"
	ownerFile = "owner.json"
)

// base is where the runs of this user lie.
func base() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("gatelab-%d", os.Geteuid()))
}

// claim takes the first free slot. Nodes run as cred, which must be able to
// pass through the folders on the way.
func claim(cred *syscall.Credential, runID string, keep bool) (*dir, error) {
	root := base()
	if err := os.Mkdir(root, 0o711); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := ours(root); err != nil {
		return nil, err
	}
	for slot := 1; slot <= slots; slot++ {
		path := filepath.Join(root, strconv.Itoa(slot))
		d, err := take(path, slot)
		if err != nil {
			return nil, err
		}
		if d == nil {
			continue
		}
		if o, ok := readOwner(path); ok && o.Keep {
			d.lock.Close()
			continue // a stack that was left running
		}
		if !d.hold() {
			d.lock.Close()
			continue
		}
		if d.left, err = clear(d); err != nil {
			return nil, err
		}
		if cred != nil {
			// Others may pass through it, not list it.
			if err := os.Chmod(path, 0o711); err != nil { //nolint:gosec // nodes run as another user
				return nil, err
			}
		}
		return d, d.write(owner{RunID: runID, Keep: keep, PID: os.Getpid()})
	}
	return nil, fmt.Errorf("%d labs run already in %s", slots, root)
}

// ours rejects a folder that another user may have put there.
func ours(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if uid, ok := ownerOf(info); !info.IsDir() || !ok || uid != os.Geteuid() {
		return fmt.Errorf("%s is not a folder of this user: remove it, or set TMPDIR to another place", path)
	}
	return nil
}

// ownerOf is the user that a file belongs to.
func ownerOf(info fs.FileInfo) (uid int, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(stat.Uid), true
}

// guardPort is above the ports that nodes and clients use.
const guardPort = 65501

// hold takes the slot's addresses; false says that another lab has them. Nodes listen from 127.0.SLOT.2 on.
func (d *dir) hold() bool {
	if runtime.GOOS != "linux" {
		return true // all nodes are on one address, and their ports are looked for
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.%d.1:%d", d.slot, guardPort))
	if err != nil {
		return false
	}
	d.guard = l
	return true
}

// take locks a slot's folder; nil says that it is in use.
func take(path string, slot int) (*dir, error) {
	for range 10 {
		if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		f, err := os.OpenFile(filepath.Join(path, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed between the two lines
		}
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, nil
			}
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		// The file that is locked must be the one that others see.
		mine, err1 := f.Stat()
		there, err2 := os.Stat(f.Name())
		if err1 == nil && err2 == nil && os.SameFile(mine, there) {
			return &dir{path: path, slot: slot, lock: f}, nil
		}
		f.Close()
	}
	return nil, fmt.Errorf("lock %s: it keeps changing", path)
}

func (d *dir) write(o owner) error {
	b, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.path, ownerFile), b, 0o600)
}

func readOwner(path string) (o owner, ok bool) {
	b, err := os.ReadFile(filepath.Join(path, ownerFile))
	return o, err == nil && json.Unmarshal(b, &o) == nil
}

// node is a node's folder.
func (d *dir) node(name string) string { return filepath.Join(d.path, name) }

// remove ends what still runs in the folder and removes it. It may be called
// twice.
func (d *dir) remove() error {
	if d.lock == nil {
		return nil
	}
	_, err := clear(d)
	err = errors.Join(err, os.RemoveAll(d.path))
	if d.guard != nil {
		d.guard.Close()
	}
	d.lock.Close()
	d.lock = nil
	_ = os.Remove(filepath.Dir(d.path)) // only where this was the last run
	return err
}

// clear ends all processes whose working directory is in the folder, and
// removes everything in it but the lock. It returns the names of its nodes.
func clear(d *dir) ([]string, error) {
	if err := killAll(d.path); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Name() == lockFile {
			continue
		}
		if e.IsDir() && e.Name() != binFolder {
			names = append(names, filepath.Join(filepath.Base(d.path), e.Name()))
		}
		if err := os.RemoveAll(filepath.Join(d.path, e.Name())); err != nil {
			return names, err
		}
	}
	return names, nil
}

// killAll kills every process in a folder until none is left.
func killAll(path string) error {
	return retry(context.Background(), 5*time.Millisecond, 5*time.Second, func() error {
		pids := within(path)
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone by now
		}
		return fmt.Errorf("processes %v in %s do not end", pids, path)
	})
}

// retry calls f every interval until it succeeds, timeout is over (0: none) or ctx
// ends.
func retry(ctx context.Context, interval, timeout time.Duration, f func() error) error {
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, f() },
		backoff.WithBackOff(backoff.NewConstantBackOff(interval)), backoff.WithMaxElapsedTime(timeout))
	return err
}

// sweep clears the folders of dead runs, but for own's.
func sweep(own string) ([]string, error) {
	return each(func(path string, o owner, known bool) bool {
		return path != own && (!known || !o.Keep)
	})
}

// each removes the runs whose lock is free and that match accepts.
func each(match func(path string, o owner, known bool) bool) ([]string, error) {
	root := base()
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := ours(root); err != nil {
		return nil, err
	}
	var removed []string
	for _, e := range entries {
		slot, err := strconv.Atoi(e.Name())
		path := filepath.Join(root, e.Name())
		if err != nil || !e.IsDir() {
			continue
		}
		if o, known := readOwner(path); !match(path, o, known) {
			continue
		}
		d, err := take(path, slot)
		if err != nil {
			return removed, err
		}
		if d == nil {
			continue
		}
		names, err := clear(d)
		removed = append(removed, names...)
		if err := errors.Join(err, d.remove()); err != nil {
			return removed, err
		}
	}
	return removed, nil
}
