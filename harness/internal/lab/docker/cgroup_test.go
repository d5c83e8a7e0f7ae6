package docker

import (
	"testing"

	"github.com/prometheus/procfs"
)

func TestEveryGroupThatIsReadIsTheContainers(t *testing.T) {
	const id = "0123456789ab"
	at := func(path string, controllers ...string) procfs.Cgroup {
		return procfs.Cgroup{Path: path, Controllers: controllers}
	}
	for _, row := range []struct {
		name   string
		groups []procfs.Cgroup
		bad    bool
	}{
		{name: "cgroup v1", groups: []procfs.Cgroup{at("/docker/"+id, "cpu", "cpuacct"), at("/docker/"+id, "memory"), at("/", "rdma")}},
		{name: "cgroup v1 under systemd", groups: []procfs.Cgroup{
			at("/system.slice/docker-"+id+".scope", "cpu", "cpuacct"), at("/system.slice/docker-"+id+".scope", "memory"), at("/user.slice"),
		}},
		{name: "cgroup v2", groups: []procfs.Cgroup{at("/system.slice/docker-" + id + ".scope")}},
		{name: "a zombie whose memory is the machine's", bad: true, groups: []procfs.Cgroup{
			at("/docker/"+id, "cpu", "cpuacct"), at("/", "memory"), at("/docker/"+id, "pids"),
		}},
		{name: "a zombie whose CPU time is the machine's", bad: true, groups: []procfs.Cgroup{
			at("/", "cpu", "cpuacct"), at("/docker/"+id, "memory"), at("/docker/"+id, "pids"),
		}},
		{name: "no memory controller", bad: true, groups: []procfs.Cgroup{at("/docker/"+id, "cpu", "cpuacct")}},
		{name: "no control group", bad: true},
		{name: "a zombie with cgroup v2", bad: true, groups: []procfs.Cgroup{at("/")}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := accountedTo(row.groups, id); (err != nil) != row.bad {
				t.Errorf("error %v", err)
			}
		})
	}
}
