package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	core "k8s.io/api/core/v1"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// roleWorker is the role of the load generators.
const roleWorker = "worker"

// labelHost is a machine's name, as affinities know it.
const labelHost = "kubernetes.io/hostname"

// host is a machine that takes pods.
type host struct {
	name  string // the value of labelHost
	cores int64
}

// placing says on which machines nodes should run. It is a preference: a node that has no room there runs elsewhere.
//
// The workers have the last machines for themselves, each one of its own if there are enough, so that the load takes no time from what is
// measured. The others are placed by the scheduler. If they must be spread, it is done here, because the scheduler knows nothing of
// replicas that are no Deployment: nodes of which there is one stay together on the first machine, and the replicas of the other roles are
// dealt out in turn.
type placing struct {
	spread  bool
	hosts   []host            // that take pods, by name
	loaders int               // how many of the last ones are the workers'
	places  map[string]string // node -> machine; it stays when a node is made again
	workers map[string]int    // machine -> workers on it
	dealt   int
}

// hostsOf are the machines that take pods of a lab, by name.
func hostsOf(list []core.Node) (hosts []host) {
	for i := range list {
		if n := &list[i]; takesPods(n) {
			hosts = append(hosts, host{name: cmp.Or(n.Labels[labelHost], n.Name), cores: n.Status.Allocatable.Cpu().MilliValue() / 1000})
		}
	}
	slices.SortFunc(hosts, func(a, b host) int { return cmp.Compare(a.name, b.name) })
	return hosts
}

// takesPods says whether the scheduler may place a pod without tolerations.
func takesPods(n *core.Node) bool {
	refuses := func(t core.Taint) bool {
		return t.Effect == core.TaintEffectNoSchedule || t.Effect == core.TaintEffectNoExecute
	}
	ready := func(c core.NodeCondition) bool { return c.Type == core.NodeReady && c.Status == core.ConditionTrue }
	return !n.Spec.Unschedulable && !slices.ContainsFunc(n.Spec.Taints, refuses) && slices.ContainsFunc(n.Status.Conditions, ready)
}

// add finds places for the nodes that have none yet.
func (p *placing) add(hosts []host, specs []lab.Spec) {
	if p.places == nil {
		p.places, p.workers = map[string]string{}, map[string]int{}
	}
	p.hosts = hosts
	count := map[string]int{} // nodes by role
	for _, s := range specs {
		count[s.Role]++
	}
	p.loaders = max(p.loaders, count[roleWorker])
	for _, s := range slices.SortedFunc(slices.Values(specs), func(a, b lab.Spec) int { return cmp.Compare(a.Name, b.Name) }) {
		if _, ok := p.places[s.Name]; ok || len(hosts) == 0 {
			continue
		}
		others, own := p.split()
		switch {
		case s.Role == roleWorker:
			// The one with the fewest workers, of these the first.
			at := slices.MinFunc(own, func(a, b host) int { return cmp.Compare(p.workers[a.name], p.workers[b.name]) })
			p.places[s.Name] = at.name
			p.workers[at.name]++
		case !p.spread:
		case count[s.Role] == 1:
			p.places[s.Name] = others[0].name
		default:
			if len(others) == 1 {
				others = hosts // a replica beside a worker is better than all replicas on one machine
			}
			p.places[s.Name] = others[p.dealt%len(others)].name
			p.dealt++
		}
	}
}

// split are the machines of the other nodes, at least one, and those of the workers, at least one; one machine is both.
func (p *placing) split() (others, own []host) {
	n := len(p.hosts)
	if n == 1 {
		return p.hosts, p.hosts
	}
	first := n - min(max(p.loaders, 1), n-1)
	return p.hosts[:first], p.hosts[first:]
}

// affinity prefers a node's machine. Nodes without one prefer those that are not the workers'.
func (p *placing) affinity(s lab.Spec) *core.Affinity {
	if at, ok := p.places[s.Name]; ok {
		return prefer(core.NodeSelectorOpIn, at)
	}
	if len(p.hosts) < 2 {
		return nil
	}
	_, own := p.split()
	var names []string
	for _, h := range own {
		names = append(names, h.name)
	}
	return prefer(core.NodeSelectorOpNotIn, names...)
}

func prefer(operator core.NodeSelectorOperator, names ...string) *core.Affinity {
	return &core.Affinity{NodeAffinity: &core.NodeAffinity{
		PreferredDuringSchedulingIgnoredDuringExecution: []core.PreferredSchedulingTerm{{Weight: 100, Preference: core.NodeSelectorTerm{
			MatchExpressions: []core.NodeSelectorRequirement{{Key: labelHost, Operator: operator, Values: names}},
		}}},
	}}
}

// threads is the variable of a worker's environment that says how many threads it has.
const threads = "GOMAXPROCS"

// threadsOf are the threads of a worker: one for two cores of its machine, of all workers there together. The topology's figure is of the
// machine that runs the harness.
func (p *placing) threadsOf(s lab.Spec) (string, bool) {
	i := slices.IndexFunc(p.hosts, func(h host) bool { return h.name == p.places[s.Name] })
	if s.Role != roleWorker || s.Env[threads] == "" || i < 0 {
		return "", false
	}
	h := p.hosts[i]
	return strconv.FormatInt(max(1, h.cores/2/int64(max(p.workers[h.name], 1))), 10), true
}

// place finds the machines of nodes that are to be made.
func (r *Runtime) place(ctx context.Context, specs []lab.Spec) error {
	list, err := r.api.nodes().List(ctx, listAll)
	if err != nil {
		return fmt.Errorf("list the machines of the cluster: %w", err)
	}
	hosts := hostsOf(list.Items)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.placing.add(hosts, specs)
	return nil
}
