package testenv

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// hint says what to do when a server's program is missing.
const hint = "run `make deps`, or name a running server in %s"

// find returns the path of a program: from PATH, else from the first of the
// glob patterns that matches.
func find(name string, globs ...string) (string, error) {
	if p, err := exec.LookPath(name); err == nil {
		return p, nil
	}
	for _, g := range globs {
		if m, _ := filepath.Glob(g); len(m) > 0 {
			return m[len(m)-1], nil
		}
	}
	return "", fmt.Errorf("%s is not installed", name)
}

// freePort finds a loopback port that is not in use. It is below the ephemeral
// ports, because another test's connection might take one of those before the
// server listens.
func freePort() (int, error) {
	const first, count = 10_000, 20_000
	var err error
	for range 100 {
		port := first + rand.IntN(count) //nolint:gosec // no secret
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}

// FreeAddr returns a loopback address, host:port, on which no program listens.
func FreeAddr(tb testing.TB) string {
	tb.Helper()
	port, err := freePort()
	if err != nil {
		tb.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// unprivileged returns the credential of a child process that must not run as root;
// nil where this process does not.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("no unprivileged user (postgres or nobody) to run servers as")
}

// workDir makes a folder that the unprivileged user owns. It is removed by the
// process that ends the server, see spawn.
func workDir(prefix string, cred *syscall.Credential) (string, error) {
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return "", err
	}
	if cred != nil {
		if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// spawn starts a server that ends with this test process: a shell waits on the read
// end of a pipe that only this process holds open, so that the server ends and its
// folder is removed even when the test binary is killed.
func spawn(dir string, cred *syscall.Credential, argv ...string) error {
	const script = `dir=$1; shift
"$@" >"$dir/log" 2>&1 </dev/null &
pid=$!
cat >/dev/null
kill -INT $pid 2>/dev/null; wait $pid 2>/dev/null
rm -rf "$dir"`
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, "sh", dir}, argv...)...)
	cmd.Stdin = r
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", argv[0], err)
	}
	go func() { _ = cmd.Wait() }()
	held = append(held, w)
	return r.Close()
}

// held keeps the pipes' write ends open for as long as the process lives.
var held []*os.File

// waitFor calls ready until it succeeds, for at most ten seconds.
func waitFor(tb testing.TB, what, dir string, ready func() error) {
	tb.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := ready()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			tb.Fatalf("%s did not become ready: %v\n%s", what, err, log)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
