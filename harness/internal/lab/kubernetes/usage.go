package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"

	"github.com/gatelab/gatelab/harness/internal/cgroup"
	"github.com/gatelab/gatelab/harness/internal/lab"
)

// Usage reads the container's control group where the cluster's nodes are on this machine, and asks the kubelet elsewhere, which tells
// what it saw up to ten seconds ago. It is cumulative over restarts of the node.
func (n *node) Usage(ctx context.Context) (lab.Usage, error) {
	at := n.place()
	if at.container == "" {
		return n.meter.Total(), nil
	}
	read := n.fromKubelet
	if n.runtime.cluster.placement.Cgroup != "" {
		read = n.fromKernel
	}
	used, err := read(ctx, at)
	if errors.Is(err, fs.ErrNotExist) {
		return n.meter.Total(), nil // it does not run
	}
	if err != nil {
		return lab.Usage{}, fmt.Errorf("usage of %s: %w", n.name, err)
	}
	return n.meter.Add(used), nil
}

// groupOf is the path of a pod's container below the mount point of a hierarchy, as the kubelet makes it with the cgroupfs driver.
func (r *Runtime) groupOf(at place) string {
	tier := at.qos
	if tier == "guaranteed" {
		tier = ""
	}
	return path.Join(r.cluster.placement.Cgroup, at.host, "kubepods", tier, "pod"+at.uid, at.container)
}

func (n *node) fromKernel(_ context.Context, at place) (lab.Usage, error) {
	group := n.runtime.groupOf(at)
	used, err := cgroup.Of(cgroup.Root, []procfs.Cgroup{{Controllers: []string{"cpu", "cpuacct", "memory"}, Path: group}})
	if err != nil {
		return lab.Usage{}, err
	}
	return lab.Usage{
		CPUSeconds: used.CPU.Seconds(), ThrottledSeconds: used.Throttled.Seconds(),
		MemoryBytes: used.Memory, MemoryPeakBytes: used.MemoryPeak,
	}, nil
}

// killProcesses sends SIGKILL to all of the container's processes, if they are on this machine.
func (n *node) killProcesses() error {
	at := n.place()
	if n.runtime.cluster.placement.Cgroup == "" || at.container == "" {
		return nil
	}
	list, err := os.ReadFile(filepath.Join(cgroup.Root, "cpuacct", n.runtime.groupOf(at), "cgroup.procs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it does not run
	}
	if err != nil {
		return err
	}
	for field := range strings.FieldsSeq(string(list)) {
		pid, err := strconv.Atoi(field)
		if err != nil || pid <= 1 {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

// summary is what the kubelet tells of a machine's pods.
type summary struct {
	Pods []struct {
		Ref struct {
			UID string `json:"uid"`
		} `json:"podRef"`
		Containers []struct {
			CPU struct {
				Nanoseconds uint64 `json:"usageCoreNanoSeconds"`
			} `json:"cpu"`
			Memory struct {
				WorkingSet uint64 `json:"workingSetBytes"`
			} `json:"memory"`
		} `json:"containers"`
	} `json:"pods"`
}

// fromKubelet lacks the throttled time and the peak, which the kubelet does not tell.
func (n *node) fromKubelet(ctx context.Context, at place) (lab.Usage, error) {
	body, err := n.runtime.api.core.Get().Resource("nodes").Name(at.host).SubResource("proxy").Suffix("stats/summary").
		Param("only_cpu_and_memory", "true").DoRaw(ctx)
	if err != nil {
		return lab.Usage{}, fmt.Errorf("ask the kubelet of %s: %w", at.host, err)
	}
	var s summary
	if err := json.Unmarshal(body, &s); err != nil {
		return lab.Usage{}, fmt.Errorf("ask the kubelet of %s: %w", at.host, err)
	}
	for _, p := range s.Pods {
		if p.Ref.UID == at.uid && len(p.Containers) > 0 {
			c := p.Containers[0]
			return lab.Usage{CPUSeconds: time.Duration(c.CPU.Nanoseconds).Seconds(), MemoryBytes: c.Memory.WorkingSet}, nil //nolint:gosec // fits
		}
	}
	return lab.Usage{}, fs.ErrNotExist
}
