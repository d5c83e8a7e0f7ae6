package topology

import (
	"fmt"
	"github.com/gatelab/gatelab/harness/internal/lab"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxReplicas keeps a typing error from starting a thousand containers.
const maxReplicas = 9

// GatewayName is the name of the i-th replica; the first is 1.
func GatewayName(i int) string { return RoleGateway + "-" + strconv.Itoa(i) }

// NameOf is the name of a role's i-th node, from 1. Every role but the gateways
// has its first node named after itself.
func NameOf(role string, i int) string {
	if i == 1 && role != RoleGateway {
		return role
	}
	return role + "-" + strconv.Itoa(i)
}

// LinkPort is where the link node listens for a far end that listens on port.
func LinkPort(port int) int { return port + 10000 }

// LinkPortOf is LinkPort for one of several nodes of a role.
func LinkPortOf(far string, port int) int {
	_, number, _ := strings.Cut(far, "-")
	i, _ := strconv.Atoi(number) // none: the only or first node
	return LinkPort(port) + max(i-1, 0)
}

// Far is the address at which the gateways reach a node behind them: its own,
// or the link's when the topology delays the way to it. Admin API entities
// that name redis or origin must use it.
func (t Topology) Far(l lab.Layout, role string, port int) string {
	if _, ok := t.Links[role]; ok {
		return l.DialAddr(RoleLink, LinkPort(port))
	}
	return l.DialAddr(role, port)
}

// Specs are all the nodes of a topology, in the order in which they depend on
// each other. An error names the field that is wrong.
func (t Topology) Specs(l lab.Layout) ([]lab.Spec, error) {
	if len(t.Roles) > 0 {
		return t.chosen(l)
	}
	if t.Replicas < 1 || t.Replicas > maxReplicas {
		return nil, fmt.Errorf("replicas: %d is not allowed: want 1 to %d", t.Replicas, maxReplicas)
	}
	if err := t.checkWorkers(); err != nil {
		return nil, err
	}
	if err := t.checkRegions(l); err != nil {
		return nil, err
	}
	specs := []lab.Spec{Postgres(t, l)}
	for i := 1; i <= max(len(t.Regions), 1); i++ {
		specs = append(specs, Redis(t, l, i))
	}
	for i := 1; i <= max(t.Origins, 1); i++ {
		specs = append(specs, Origin(t, l, i))
	}
	specs = append(specs, t.workers(l)...)
	if t.Collector {
		specs = append(specs, Collector(t, l))
	}
	if len(t.Links) > 0 || len(t.Regions) > 0 || t.Edge != nil {
		link, err := LinkNode(t, l)
		if err != nil {
			return nil, err
		}
		specs = append(specs, link)
	}
	for i := 1; i <= t.Replicas; i++ {
		specs = append(specs, Gateway(t, l, i))
	}
	for i := 1; i <= max(t.Balancers, 1); i++ {
		lb, err := Balancer(t, l, i)
		if err != nil {
			return nil, err
		}
		specs = append(specs, lb)
	}
	if t.Edge != nil {
		specs = append(specs, EdgeNode(t, l))
	}
	observers, err := t.observers(l)
	if err != nil {
		return nil, err
	}
	specs = append(specs, observers...)
	for i := range specs {
		specs[i].Tier = tierOf(specs[i].Role)
	}
	return specs, nil
}

// tierOf is when a role's nodes start: what the gateways need, the gateways, and
// the balancers, which look addresses up once, with those who watch.
func tierOf(role string) int {
	switch role {
	case RoleGateway:
		return 1
	case RoleBalancer, RolePrometheus, RoleAlertmanager, RoleGrafana:
		return 2
	}
	return 0
}

// limit copies a role's resources into its node.
func (t Topology) limit(s lab.Spec) lab.Spec {
	r := t.Resources[s.Role]
	s.CPUs, s.Memory = r.CPUs, r.Memory
	s.Cores = r.Cores
	return s
}

// Postgres keeps its durability (fsync, full_page_writes, synchronous_commit
// are the program's defaults): no setting here buys speed with data.
func Postgres(t Topology, l lab.Layout) lab.Spec {
	settings := map[string]string{
		"max_connections": "200",   // nine replicas with a pool of 20 each, and some
		"shared_buffers":  "64MB",  // the configuration of a gateway fits many times over
		"jit":             "off",   // its queries take microseconds; the compiler is not installed everywhere
		"log_statement":   "none",  // a line a lookup would be measured
		"log_checkpoints": "off",   // likewise noise in the logs
		"max_wal_size":    "256MB", // a lab lives minutes
	}
	if t.Connections > 0 {
		settings["max_connections"] = strconv.Itoa(t.Connections)
	}
	args := []string{}
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", k+"="+settings[k])
	}
	host, port := split(l.ListenAddr(RolePostgres, PortPostgres))
	args = append(args, "-c", "listen_addresses="+orAll(host), "-c", "port="+port)
	s := t.limit(lab.Spec{
		Name: RolePostgres, Role: RolePostgres, Program: lab.ProgramPostgres, Args: args,
		Ports: []int{PortPostgres}, Settings: settings, Ready: readyPostgres, Grace: 5 * time.Second,
	})
	if t.SmallDisk {
		s.Scratch, s.ScratchMB = []string{SmallDisk}, smallDiskMB
	}
	return s
}

// Redis is that of the i-th region, from 1; without regions there is one. It holds
// nothing that must survive: cached responses and counters. So it writes nothing
// to disk, which Settings says.
func Redis(t Topology, l lab.Layout, i int) lab.Spec {
	name := NameOf(RoleRedis, i)
	most := int64(256 << 20)
	if m := t.Resources[RoleRedis].Memory; m > 0 {
		most = m * 3 / 4 // the rest is for buffers and fragmentation: the kernel must not kill it
	}
	settings := map[string]string{
		"save":             "",
		"appendonly":       "no",
		"maxmemory":        strconv.FormatInt(most, 10),
		"maxmemory-policy": "allkeys-lru",
		"tcp-backlog":      "4096",
	}
	args := []string{}
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "--"+k, settings[k])
	}
	host, port := split(l.ListenAddr(name, PortRedis))
	if host == "" {
		host = "0.0.0.0"
	}
	args = append(args, "--bind", host, "--port", port, "--protected-mode", "no", "--dir", "/tmp")
	return t.limit(lab.Spec{
		Name: name, Role: RoleRedis, Program: lab.ProgramRedis, Args: args,
		StandIn: []string{"redis", "--listen=" + l.ListenAddr(name, PortRedis)},
		Ports:   []int{PortRedis}, Settings: settings, Ready: readyRedis, Grace: 2 * time.Second,
	})
}

// Origin is the i-th simulated upstream, from 1.
func Origin(t Topology, l lab.Layout, i int) lab.Spec {
	name := NameOf(RoleOrigin, i)
	args := []string{"origin", "--listen=" + l.ListenAddr(name, PortOrigin)}
	var inner []int
	if i == 1 {
		// In a node of its own: beside the generator it would take the generator's
		// time, and the ceiling would be half of what it is.
		args = append(args, "--null="+l.ListenAddr(name, PortNull))
		inner = []int{PortNull}
	}
	if t.Collector {
		args = append(args, "--traces="+TracesURL(l))
	}
	return t.limit(lab.Spec{
		Name: name, Role: RoleOrigin, Program: lab.ProgramHarness,
		Args:  append(args, flags(t.Origin)...),
		Ports: []int{PortOrigin}, Inner: inner, Settings: maps.Clone(t.Origin), Ready: readyHTTP(PortOrigin, "/health"),
	})
}

// LinkProxies are the proxies of the link node by the name of the node at the
// far end, with that node's port.
func (t Topology) LinkProxies() (map[string]int, error) {
	ports := map[string]int{RolePostgres: PortPostgres, RoleRedis: PortRedis, RoleOrigin: PortOrigin, RoleGateway: PortProxy}
	counts := map[string]int{RoleOrigin: t.Origins, RoleGateway: t.Replicas}
	out := map[string]int{}
	if len(t.Regions) > 0 {
		out[RolePostgres] = PortPostgres // of the first region, for the gateways of the second
	}
	for role := range t.Links {
		port, ok := ports[role]
		if !ok {
			return nil, fmt.Errorf("links: unknown node %q: want postgres, redis, origin or gateway", role)
		}
		for i := 1; i <= max(counts[role], 1); i++ {
			out[NameOf(role, i)] = port
		}
	}
	return out, nil
}

// LinkNode stands on the ways to all far ends that the topology names.
func LinkNode(t Topology, l lab.Layout) (lab.Spec, error) {
	args := []string{"link", "--admin=" + l.ListenAddr(RoleLink, PortLinkAdmin)}
	proxies, err := t.LinkProxies()
	if err != nil {
		return lab.Spec{}, err
	}
	ports := []int{PortLinkAdmin}
	for _, far := range slices.Sorted(maps.Keys(proxies)) {
		role := lab.RoleOf(far)
		args = append(args, fmt.Sprintf("--proxy=%s=%s,%s,%s", far,
			l.ListenAddr(RoleLink, LinkPortOf(far, proxies[far])), l.DialAddr(far, proxies[far]), t.linkTo(role).arg()))
		ports = append(ports, LinkPortOf(far, proxies[far])) // so that a fault's effect can be seen from outside
	}
	var inner []int
	if t.Edge != nil {
		ways, err := t.Edge.proxies(l)
		if err != nil {
			return lab.Spec{}, err
		}
		args, inner = append(args, ways...), t.Edge.ports()
	}
	return t.limit(lab.Spec{
		Name: RoleLink, Role: RoleLink, Program: lab.ProgramHarness, Args: args,
		Ports: ports, Inner: inner, Ready: readyHTTP(PortLinkAdmin, "/version"),
	}), nil
}

// Gateway is the i-th replica, from 1. The topology's settings go over the
// ones made here.
func Gateway(t Topology, l lab.Layout, i int) lab.Spec {
	name := GatewayName(i)
	env := map[string]string{
		"GATEWAY_NODE_NAME":     name,
		"GATEWAY_NODE_HEADER":   "true",
		"GATEWAY_PROXY_LISTEN":  l.ListenAddr(name, PortProxy),
		"GATEWAY_ADMIN_LISTEN":  l.ListenAddr(name, PortAdmin),
		"GATEWAY_STATUS_LISTEN": l.ListenAddr(name, PortStatus),
		"GATEWAY_PG_DSN": fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable",
			lab.PostgresUser, lab.PostgresPassword, t.postgresOf(l, i), lab.PostgresDatabase),
	}
	if r := t.regionOf(i); r >= 0 {
		host, _ := split(l.DialAddr(NameOf(RoleRedis, r+1), PortRedis))
		env[RegionRedisVariable] = host
	}
	if t.Observe && l.Addr == nil && t.Programs[name] == "" {
		// Prometheus scrapes by name. Another build may not know the setting, and
		// refuses what it does not know.
		env["GATEWAY_STATUS_HOSTS"] = name
	}
	for _, settings := range []map[string]string{t.Gateway, t.Settings[name]} {
		for k, v := range settings {
			env["GATEWAY_"+strings.ToUpper(k)] = v
		}
	}
	return t.limit(lab.Spec{
		Name: name, Role: RoleGateway, Program: orDefault(t.Programs[name], lab.ProgramGateway), Env: env,
		Ports: []int{PortProxy, PortAdmin, PortStatus}, Settings: maps.Clone(t.Gateway),
		Ready: readyHTTP(PortStatus, "/health/ready"), Grace: 10 * time.Second,
	})
}

// chosen are the nodes of Roles, which need no gateway of ours.
func (t Topology) chosen(l lab.Layout) ([]lab.Spec, error) {
	if err := t.checkWorkers(); err != nil {
		return nil, err
	}
	one := func(node func(Topology, lab.Layout) lab.Spec) func() []lab.Spec {
		return func() []lab.Spec { return []lab.Spec{node(t, l)} }
	}
	makers := map[string]func() []lab.Spec{
		RolePostgres: one(Postgres), RoleWorker: func() []lab.Spec { return t.workers(l) },
		RoleRedis:  one(func(t Topology, l lab.Layout) lab.Spec { return Redis(t, l, 1) }),
		RoleOrigin: one(func(t Topology, l lab.Layout) lab.Spec { return Origin(t, l, 1) }),
	}
	var specs []lab.Spec
	for _, role := range t.Roles {
		node, ok := makers[role]
		if !ok {
			return nil, fmt.Errorf("roles: %q is not allowed: want some of %s", role, strings.Join(slices.Sorted(maps.Keys(makers)), ", "))
		}
		specs = append(specs, node()...)
	}
	return specs, nil
}

// flags are "--name=value", sorted, so that equal settings make equal specs.
func flags(m map[string]string) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, "--"+k+"="+m[k])
	}
	return out
}

func split(addr string) (host, port string) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", addr
	}
	return host, port
}

func orAll(host string) string {
	if host == "" {
		return "*"
	}
	return host
}
