package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/procfs"

	"github.com/gatelab/gatelab/harness/internal/cgroup"
	"github.com/gatelab/gatelab/harness/internal/lab"
)

// fromKernel reads the node's control group itself. It takes well under a
// millisecond, where the engine answers up to a second late (20.10 lets a second
// question wait for its next tick), and it tells the peak memory with cgroup v2
// too. It fails where the engine's control groups are not visible from here. ok
// is false for a node that does not run.
func (n *node) fromKernel(ctx context.Context) (u lab.Usage, ok bool, err error) {
	c, err := n.inspect(ctx)
	if err != nil {
		return lab.Usage{}, false, err
	}
	if c.State == nil || !c.State.Running || c.State.Pid == 0 {
		return lab.Usage{}, false, nil
	}
	p, err := procfs.NewProc(c.State.Pid)
	if err != nil {
		return lab.Usage{}, false, err
	}
	groups, err := p.Cgroups()
	if err != nil {
		return lab.Usage{}, false, err
	}
	if err := accountedTo(groups, n.id); err != nil {
		return lab.Usage{}, false, err
	}
	used, err := cgroup.Of(cgroup.Root, groups)
	if err != nil {
		return lab.Usage{}, false, err
	}
	return lab.Usage{
		CPUSeconds:       used.CPU.Seconds(),
		ThrottledSeconds: used.Throttled.Seconds(),
		MemoryBytes:      used.Memory,
		MemoryPeakBytes:  used.MemoryPeak,
	}, true, nil
}

// accountedTo is an error unless every group whose accounting is read is the
// container's own. One line that names the container is not enough: with cgroup
// v1 a process that was just killed is a zombie whose memory and CPU lines are
// already "/", the whole machine's, while others still name the container.
func accountedTo(groups []procfs.Cgroup, id string) error {
	read := cgroup.Read(groups)
	if len(read) == 0 {
		return errors.New("the process is in no control group that counts CPU time and memory")
	}
	for _, g := range read {
		if !strings.Contains(g.Path, id) {
			return fmt.Errorf("control group %q of %q is not the container's", g.Path, strings.Join(g.Controllers, ","))
		}
	}
	return nil
}
