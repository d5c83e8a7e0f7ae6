package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// recordFile is what a node of a lab that stays says of itself, in its folder,
// so that another process can end it and start it again.
const recordFile = "node.json"

// record holds what a node was started with. Its environment has passwords:
// only the user of the lab may read it.
type record struct {
	Role    string            `json:"role"`
	Program string            `json:"program"`
	Argv    []string          `json:"argv"`
	Env     map[string]string `json:"env,omitempty"`
	Ports   []int             `json:"ports,omitempty"`
	Listen  map[int]string    `json:"listen,omitempty"` // port -> host:port
	Weight  int64             `json:"cpu_weight,omitempty"`
	Cores   []int             `json:"cores,omitempty"`
	Scratch []string          `json:"scratch,omitempty"`
	PID     int               `json:"pid"` // of the present life, or the last
}

// writeRecord tells of the node's present life, all at once: others may read
// meanwhile.
func (n *node) writeRecord(pid int) error {
	r := record{
		Role: n.spec.Role, Program: n.spec.Program, Argv: n.argv, Env: n.spec.Env, Ports: n.spec.Ports,
		Listen: map[int]string{}, Weight: n.spec.CPUWeight, Cores: n.spec.Cores, Scratch: n.spec.Scratch, PID: pid,
	}
	for _, port := range n.spec.Ports {
		r.Listen[port] = n.runtime.addr.listen(n.spec.Name, port)
	}
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(n.dir, ".node-") // with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(n.dir, recordFile))
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// readRecord reads what a node said of itself; fs.ErrNotExist for what is no
// node.
func readRecord(dir string) (r record, err error) {
	path := filepath.Join(dir, recordFile)
	if err := oursFile(path); err != nil {
		return r, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("%s: %w", path, err)
	}
	if len(r.Argv) == 0 || r.Role == "" {
		return r, fmt.Errorf("%s: no role or no command line: take the stack down (make down) and up again", path)
	}
	return r, nil
}

// oursFile refuses a file that a node may have put there: what it says is
// going to be started.
func oursFile(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if uid, ok := ownerOf(info); !info.Mode().IsRegular() || !ok || uid != os.Geteuid() {
		return fmt.Errorf("%s is not a file of this user: %w", path, fs.ErrPermission)
	}
	return nil
}

// spec is the node's, as far as it is needed to start it again.
func (r record) spec(name string) lab.Spec {
	return lab.Spec{Name: name, Role: r.Role, Program: r.Program, Env: r.Env, Ports: r.Ports, CPUWeight: r.Weight, Cores: r.Cores,
		Scratch: r.Scratch}
}
