package docker

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/prometheus/procfs"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

func TestOwnerDead(t *testing.T) {
	self := owner{pid: 1, start: "10", boot: "b1", space: "pid:[1]"}
	start := func(pid int) (string, error) {
		switch pid {
		case 100:
			return "5000", nil
		case 200:
			return "", errors.New("permission denied")
		default:
			return "", &fs.PathError{Op: "open", Path: "/proc", Err: syscall.ENOENT}
		}
	}
	for _, c := range []struct {
		name                    string
		pid, start, boot, space string
		want                    bool
	}{
		{name: "a process that lives is not dead", pid: "100", start: "5000", boot: "b1", space: "pid:[1]"},
		{name: "a process that is gone is dead", pid: "300", start: "5000", boot: "b1", space: "pid:[1]", want: true},
		{name: "a pid that went to another process is dead", pid: "100", start: "4000", boot: "b1", space: "pid:[1]", want: true},
		{name: "what is from before a reboot is dead", pid: "100", start: "5000", boot: "b0", space: "pid:[1]", want: true},
		{name: "another pid name space cannot be judged", pid: "300", start: "5000", boot: "b1", space: "pid:[2]"},
		{name: "a process that cannot be looked at is not dead", pid: "200", start: "5000", boot: "b1", space: "pid:[1]"},
		{name: "no pid label: not ours to judge", start: "5000", boot: "b1", space: "pid:[1]"},
		{name: "no boot label: not ours to judge", pid: "300", start: "5000", space: "pid:[1]"},
	} {
		labels := map[string]string{labelPID: c.pid, labelStart: c.start, labelBoot: c.boot, labelSpace: c.space}
		if got := self.dead(labels, start); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

func TestOwnerOfThisProcessLives(t *testing.T) {
	o, err := currentOwner()
	if err != nil {
		t.Fatal(err)
	}
	if o.start == "" || o.dead(o.labels(), processStart) {
		t.Errorf("%+v is taken for dead", o)
	}
}

func TestUsageFromEngine(t *testing.T) {
	const v1 = `{"cpu_stats":{"cpu_usage":{"total_usage":1500000000},"throttling_data":{"throttled_time":250000000}},
		"memory_stats":{"usage":3000,"max_usage":9000,"stats":{"total_inactive_file":1000,"inactive_file":1}}}`
	const v2 = `{"cpu_stats":{"cpu_usage":{"total_usage":1500000000},"throttling_data":{"throttled_time":250000000}},
		"memory_stats":{"usage":3000,"stats":{"inactive_file":1000}}}`
	for _, c := range []struct {
		name, text string
		peak       uint64
	}{{name: "cgroup v1", text: v1, peak: 9000}, {name: "cgroup v2", text: v2}} {
		var s container.StatsResponse
		if err := json.Unmarshal([]byte(c.text), &s); err != nil {
			t.Fatal(err)
		}
		want := lab.Usage{CPUSeconds: 1.5, ThrottledSeconds: 0.25, MemoryBytes: 2000, MemoryPeakBytes: c.peak}
		if got := usage(&s); got != want {
			t.Errorf("%s: %+v, want %+v", c.name, got, want)
		}
	}
}

func TestMeterGoesOnOverRestarts(t *testing.T) {
	var m lab.Meter
	m.Add(lab.Usage{CPUSeconds: 2, ThrottledSeconds: 1, MemoryBytes: 10, MemoryPeakBytes: 50})
	got := m.Add(lab.Usage{CPUSeconds: 0.5, MemoryBytes: 20, MemoryPeakBytes: 30})
	want := lab.Usage{CPUSeconds: 2.5, ThrottledSeconds: 1, MemoryBytes: 20, MemoryPeakBytes: 50}
	if got != want {
		t.Errorf("after a restart %+v, want %+v", got, want)
	}
	want.MemoryBytes = 0
	if got := m.Total(); got != want {
		t.Errorf("not running %+v, want %+v", got, want)
	}
}

func TestRoutes(t *testing.T) {
	const head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	for _, c := range []struct {
		name, table string
		want        []netip.Prefix
	}{
		{
			name: "a default route and a bridge",
			table: head + "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n" +
				"docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n",
			want: []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16")},
		},
		{name: "an unreadable line", table: head + "broken\tzz\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			if err := os.MkdirAll(filepath.Join(root, "net"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, "net", "route"), []byte(c.table), 0o600); err != nil {
				t.Fatal(err)
			}
			system, err := procfs.NewFS(root)
			if err != nil {
				t.Fatal(err)
			}
			if got := routes(system); !slices.Equal(got, c.want) {
				t.Errorf("routes %v, want %v", got, c.want)
			}
		})
	}
}

func TestCandidatesArePrivateAndDistinct(t *testing.T) {
	within := netip.MustParsePrefix("10.208.0.0/12")
	seen := map[netip.Prefix]bool{}
	for n := range 1 << 12 {
		p := candidate(n)
		if p.Bits() != 24 || p != p.Masked() || !within.Contains(p.Addr()) || seen[p] {
			t.Fatalf("candidate %d is %s", n, p)
		}
		seen[p] = true
	}
}

// entries reads a tar into name -> content, link target or "".
func entries(t *testing.T, data []byte) map[string]string {
	t.Helper()
	found := map[string]string{}
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r)
		found[h.Name] = string(body) + h.Linkname
	}
}

func TestThinDropsAndAdds(t *testing.T) {
	var in, out bytes.Buffer
	w := tar.NewWriter(&in)
	for name, body := range map[string]string{
		"./usr/sbin/nginx": "nginx", "./usr/share/doc/nginx/README": "x", "./usr/share/document": "kept",
		"./usr/bin/perl": "perl", "./etc/passwd": "theirs",
	} {
		_ = w.WriteHeader(&tar.Header{Name: name, Size: int64(len(body)), Mode: 0o755})
		_, _ = io.WriteString(w, body)
	}
	_ = w.WriteHeader(&tar.Header{Name: "./usr/bin/perl5", Typeflag: tar.TypeLink, Linkname: "./usr/bin/perl"})
	_ = w.Close()
	rec := recipe{Dropped: []string{"usr/share/doc", "usr/bin/perl"}, Files: []tarEntry{
		{Name: "etc/passwd", Body: "ours"}, {Name: "bin/sh", Link: "dash"}, {Name: "tmp/", Mode: 0o1777},
	}}
	if err := thin(&out, &in, rec); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"./usr/sbin/nginx": "nginx", "./usr/share/document": "kept", "etc/passwd": "ours", "bin/sh": "dash", "tmp/": ""}
	if got := entries(t, out.Bytes()); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := thin(io.Discard, strings.NewReader(strings.Repeat("no tar", 200)), rec); err == nil {
		t.Error("what is no tar was taken")
	}
}

func TestRecipeDecidesTheTag(t *testing.T) {
	const mirror = "http://mirror.example/debian"
	for program, repo := range map[string]string{lab.ProgramPostgres: debianRepo, lab.ProgramNginx: debianRepo, lab.ProgramNode: nodeRepo,
		lab.ProgramPrometheus: observeRepo, lab.ProgramAlertmanager: observeRepo} {
		a, known := recipeOf(program, "")
		b, _ := recipeOf(program, mirror)
		again, _ := recipeOf(program, "")
		if !known || a.ref() != again.ref() || a.ref() == b.ref() || !strings.HasPrefix(a.ref(), repo+":") {
			t.Errorf("%s: tags %s, %s", program, a.ref(), b.ref())
		}
	}
	if m, known := recipeOf(lab.ProgramGrafana, mirror); known {
		t.Errorf("grafana would be made of %v, which Debian does not have", m.Packages)
	}
}

func TestSourceDecidesTheImage(t *testing.T) {
	s := lab.Spec{Program: "apache", Source: lab.Source{
		Executable: "apache2", Places: []string{"/usr/local/apache2/bin/httpd", "/opt/*/httpd", "/usr/sbin/apache2"},
		Version: []string{"-v"}, Packages: []string{"apache2"}, Image: "httpd:2.4",
	}}
	a, b := sourceRecipe(s, ""), sourceRecipe(s, "http://mirror.example/debian")
	if a.ref() != sourceRecipe(s, "").ref() || a.ref() == b.ref() || !strings.HasPrefix(a.ref(), "gatelab/debian-apache:") {
		t.Errorf("tags %s, %s", a.ref(), b.ref())
	}
	other := s
	other.Source.Packages = []string{"apache2", "libapache2-mod-evasive"}
	if sourceRecipe(other, "").ref() == a.ref() {
		t.Error("other packages make the same image")
	}
	if slices.Contains(a.Dropped, "usr/include") || !slices.Contains(newRecipe("").Dropped, "usr/include") {
		t.Error("headers are dropped, or kept for all")
	}
	got := candidates(s, []string{"LANG=C", "PATH=/x:/usr/sbin"})
	if want := []string{"/x/apache2", "/usr/sbin/apache2", "/usr/local/apache2/bin/httpd"}; !slices.Equal(got, want) {
		t.Errorf("looked for at %v, want %v", got, want)
	}
	if got := candidates(lab.Spec{Program: "haproxy"}, nil); !slices.Contains(got, "/usr/sbin/haproxy") {
		t.Errorf("looked for at %v", got)
	}
	for program, want := range map[string]bool{"apache": true, lab.ProgramNginx: false} {
		s.Program = program
		if fromSource(s) != want {
			t.Errorf("%s is from its source: %v", program, !want)
		}
	}
}

func TestLaunch(t *testing.T) {
	for _, c := range []struct {
		name    string
		spec    lab.Spec
		layout  layout
		program string
		command string
		user    string
	}{
		{name: "official images keep their entry point", spec: lab.Spec{Program: lab.ProgramPostgres, Args: []string{"-c", "x=1"}},
			layout: layoutOfficial, command: "|postgres -c x=1"},
		{name: "the Debian image runs Postgres as its user", spec: lab.Spec{Program: lab.ProgramPostgres, Args: []string{"-c", "x=1"}},
			layout: layoutDebian, command: postgresBin + "postgres|-D " + postgresData + " -c x=1", user: postgresUID},
		{name: "official Redis", spec: lab.Spec{Program: lab.ProgramRedis, Args: []string{"--port", "1"}}, layout: layoutOfficial,
			command: "|redis-server --port 1"},
		{name: "official Node", spec: lab.Spec{Program: lab.ProgramNode, Args: []string{"/x.mjs"}}, layout: layoutOfficial,
			command: "/usr/local/bin/node|/x.mjs", user: nobodyUID},
		{name: "Debian's Node", spec: lab.Spec{Program: lab.ProgramNode, Args: []string{"/x.mjs"}}, layout: layoutDebian,
			command: "/usr/bin/node|/x.mjs", user: nobodyUID},
		{name: "official Prometheus", spec: lab.Spec{Program: lab.ProgramPrometheus, Args: []string{"--x"}}, layout: layoutOfficial,
			command: "/bin/prometheus|--x", user: nobodyUID},
		{name: "Debian's Prometheus", spec: lab.Spec{Program: lab.ProgramPrometheus, Args: []string{"--x"}}, layout: layoutDebian,
			command: "/usr/bin/prometheus|--x", user: nobodyUID},
		{name: "official Alertmanager", spec: lab.Spec{Program: lab.ProgramAlertmanager}, layout: layoutOfficial,
			command: "/bin/alertmanager|", user: nobodyUID},
		{name: "Debian's Alertmanager", spec: lab.Spec{Program: lab.ProgramAlertmanager}, layout: layoutDebian,
			command: "/usr/bin/prometheus-alertmanager|", user: nobodyUID},
		{name: "Grafana has its own entry point", spec: lab.Spec{Program: lab.ProgramGrafana}, layout: layoutOfficial, command: "|"},
		{name: "Debian's Redis", spec: lab.Spec{Program: lab.ProgramRedis, Args: []string{"--port", "1"}}, layout: layoutDebian,
			command: "/usr/bin/redis-server|--port 1", user: redisUID},
		{name: "nginx is the same in both", spec: lab.Spec{Program: lab.ProgramNginx}, layout: layoutOfficial,
			command: "/usr/sbin/nginx|-g daemon off;"},
		{name: "our own", spec: lab.Spec{Program: lab.ProgramHarness, Args: []string{"origin"}}, layout: layoutScratch,
			command: "/harness|origin"},
		{name: "a server of a source", spec: lab.Spec{Program: "apache", Args: []string{"-f", "x"}}, layout: layoutDebian,
			program: "/usr/sbin/apache2", command: "/usr/sbin/apache2|-f x", user: nobodyUID},
		{name: "an image that starts its server by itself", layout: layoutOfficial, command: "|run -c x",
			spec: lab.Spec{Program: "krakend", Args: []string{"run", "-c", "x"}, Source: lab.Source{Image: "krakend", EntryPoint: true}}},
	} {
		l := launchOf(c.spec, image{layout: c.layout, program: c.program})
		got := strings.Join(l.entrypoint, " ") + "|" + strings.Join(l.cmd, " ")
		if got != c.command || l.user != c.user {
			t.Errorf("%s: %q as %q, want %q as %q", c.name, got, l.user, c.command, c.user)
		}
	}
}

func TestHostConfigLimits(t *testing.T) {
	var h container.HostConfig
	n := &node{network: &labNetwork{name: "net"}, ports: map[int]int{8000: 20001}}
	hostConfig(&h, n, lab.Spec{CPUs: 0.5, Memory: 64 << 20, Scratch: []string{"/data"}}, "", allowance{sysctls: true, files: 1024})
	if float64(h.CPUQuota)/float64(h.CPUPeriod) != 0.5 || h.CPUPeriod != cpuPeriod || h.Memory != 64<<20 || h.MemorySwap != h.Memory {
		t.Errorf("limits %+v", h.Resources)
	}
	if h.Ulimits[0].Soft != 1024 || h.Sysctls["net.core.somaxconn"] != "4096" || h.Tmpfs["/data"] == "" {
		t.Errorf("allowance %+v %v %v", h.Ulimits, h.Sysctls, h.Tmpfs)
	}
	for port, bound := range h.PortBindings {
		if port.Num() != 8000 || bound[0].HostPort != "20001" || bound[0].HostIP.String() != "127.0.0.1" {
			t.Errorf("port %s is bound to %+v", port, bound)
		}
	}
	var free container.HostConfig
	hostConfig(&free, n, lab.Spec{}, "", allowance{})
	if free.CPUQuota != 0 || free.Memory != 0 || free.Ulimits != nil || free.Sysctls != nil {
		t.Errorf("no limits wanted: %+v", free)
	}
}

func TestTuningGivesUpWhatIsRefused(t *testing.T) {
	all := allowance{sysctls: true, files: 1}
	for _, c := range []struct {
		name, text string
		want       allowance
		again      bool
	}{
		{name: "sysctls", text: `sysctl "net.core.somaxconn" is not in a separate kernel namespace`, want: allowance{files: 1}, again: true},
		{name: "descriptors", text: "error setting rlimit type 7: operation not permitted", want: allowance{sysctls: true}, again: true},
		{name: "anything else", text: "no such image", want: all},
	} {
		if got, again := all.without(errors.New(c.text)); got != c.want || again != c.again {
			t.Errorf("%s: %+v, %v", c.name, got, again)
		}
	}
	if _, again := (allowance{}).without(errors.New("sysctl rlimit")); again {
		t.Error("there is nothing left to give up, yet it would try again")
	}
}

func TestAnImageThatCannotStartIsExplained(t *testing.T) {
	img := image{ref: "shop:1", exposed: "8080/tcp"}
	err := explainImage(img, errors.New("container create: Error response from daemon: No command specified"))
	if !strings.Contains(err.Error(), "shop:1 has neither ENTRYPOINT nor CMD") {
		t.Errorf("error %v", err)
	}
	if other := errors.New("no space left on device"); explainImage(img, other) != other { //nolint:errorlint // it is to be the same one
		t.Error("another error was changed")
	}
	spec := lab.Spec{Name: "head", Source: lab.Source{Image: "shop:1", EntryPoint: true}, Ports: []int{8081}}
	if got := otherPorts(spec, img); got != "head: shop:1 exposes 8080/tcp, and port 8081 was given" {
		t.Errorf("said %q", got)
	}
	spec.Ports = []int{8080}
	if got := otherPorts(spec, img); got != "" {
		t.Errorf("said %q of the port that it exposes", got)
	}
}

func TestPortErrors(t *testing.T) {
	n := &node{name: "lb", ports: map[int]int{8000: 18000}}
	err := explainPort(n, errors.New("driver failed: Bind for 127.0.0.1:18000 failed: port is already allocated"))
	if err == nil || !strings.Contains(err.Error(), "port 18000 on 127.0.0.1, wanted for lb (its port 8000), is in use") {
		t.Errorf("error %v", err)
	}
	if other := errors.New("no space left on device"); !errors.Is(explainPort(n, other), other) ||
		explainPort(n, other).Error() != other.Error() {
		t.Error("another error was changed")
	}
}

func TestLocalEngine(t *testing.T) {
	for host, want := range map[string]bool{
		"unix:///var/run/docker.sock": true, "tcp://127.0.0.1:2375": true, "tcp://localhost:2375": true,
		"tcp://[::1]:2375": true, "tcp://10.0.0.5:2375": false, "ssh://build.example": false, "::": false,
	} {
		if got := localEngine(host); got != want {
			t.Errorf("%s: local %v", host, got)
		}
	}
}

func TestScratchTarHoldsTheBinary(t *testing.T) {
	var b bytes.Buffer
	if err := scratchTar(&b, "gateway", []byte("ELF")); err != nil {
		t.Fatal(err)
	}
	if got := entries(t, b.Bytes()); got["gateway"] != "ELF" || len(got) != 4 {
		t.Errorf("got %v", got)
	}
}

func TestCheckStatic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := checkStatic(path); err == nil || !strings.Contains(err.Error(), "no Linux binary") {
		t.Errorf("error %v", err)
	}
	shell, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	if err := checkStatic(shell); err == nil || !strings.Contains(err.Error(), "linked dynamically") {
		t.Errorf("error %v for %s", err, shell)
	}
}
