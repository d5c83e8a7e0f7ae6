package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// Attach finds the nodes of a lab that a run with Keep has left, in order of
// their names. They can be broken and repaired, and stay when this process ends.
// The error is lab.ErrNotUp if there is no such lab, or none of its processes is
// left.
func (r *Runtime) Attach(context.Context) ([]lab.Node, error) {
	root := base()
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		slot, err := strconv.Atoi(e.Name())
		path := filepath.Join(root, e.Name())
		if err != nil || !e.IsDir() {
			continue
		}
		o, known := readOwner(path)
		if !known || !o.Keep || !r.concerns(o) || len(within(path)) == 0 {
			continue
		}
		nodes, err := attach(path, slot)
		if err != nil {
			return nil, fmt.Errorf("attach to the stack in %s: %w", path, err)
		}
		if len(nodes) > 0 {
			return nodes, nil
		}
	}
	return nil, lab.ErrNotUp
}

// attach makes nodes of the folders in a run's; they are in order of names.
func attach(path string, slot int) ([]lab.Node, error) {
	keepToOurselves()
	r := &Runtime{
		config: Config{Keep: true, Progress: func(string) {}}, dir: &dir{path: path, slot: slot},
		addr: newAddresses(slot, nil, nil), cred: unprivileged(os.Geteuid()), programs: newPrograms(nil), nodes: map[string]*node{},
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var nodes []lab.Node
	for _, e := range entries {
		said, err := readRecord(filepath.Join(path, e.Name()))
		if errors.Is(err, fs.ErrNotExist) || !e.IsDir() {
			continue
		}
		if err != nil {
			return nil, err
		}
		n := newNode(r, said.spec(e.Name()))
		n.argv, n.process = said.Argv, adopt(said.PID, n.dir)
		for port, addr := range said.Listen {
			r.addr.known[key(e.Name(), port)] = addr
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// adopt is a process that another one started. It counts as ended as soon as
// its number is no longer that of a process in the node's folder.
func adopt(pid int, folder string) *process {
	return &process{pid: pid, alive: func() bool { return slices.Contains(within(folder), pid) }}
}
