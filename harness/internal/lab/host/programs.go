package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// binFolder is where a run keeps copies of our own programs: a build during the
// run must not change it, and the nodes' user may not reach the originals.
const binFolder = "bin"

// usual are the places where systems keep servers outside PATH. Of several
// versions the last in order is taken.
func usual(program string) []string {
	return map[string][]string{
		lab.ProgramPostgres: {"/usr/lib/postgresql/*/bin/postgres", "/opt/homebrew/opt/postgresql*/bin/postgres",
			"/usr/local/opt/postgresql*/bin/postgres", "/usr/pgsql-*/bin/postgres"},
		lab.ProgramRedis:        {"/usr/bin/redis-server", "/usr/local/bin/redis-server", "/opt/homebrew/bin/redis-server"},
		lab.ProgramNode:         {"/usr/local/bin/node", "/opt/homebrew/bin/node"},
		lab.ProgramPrometheus:   {"/usr/local/bin/prometheus", "/opt/homebrew/bin/prometheus"},
		lab.ProgramAlertmanager: {"/usr/local/bin/alertmanager", "/opt/homebrew/bin/alertmanager"},
		lab.ProgramNginx:        {"/usr/sbin/nginx", "/usr/local/sbin/nginx", "/opt/homebrew/bin/nginx", "/usr/local/bin/nginx"},
	}[program]
}

// executable is what a program is called on disk.
func executable(program string, from lab.Source) string {
	if from.Executable != "" {
		return from.Executable
	}
	if program == lab.ProgramRedis {
		return "redis-server"
	}
	if program == lab.ProgramAlertmanager {
		if _, err := exec.LookPath("alertmanager"); err != nil {
			return "prometheus-alertmanager" // Debian's name for it
		}
	}
	return program
}

// installs is the name by which a missing program is asked for: one and the
// same for all that come together.
func installs(program string) string {
	if program == lab.ProgramAlertmanager {
		return lab.ProgramPrometheus
	}
	return program
}

// programs knows where programs are and how they are started.
type programs struct {
	own  map[string]string                                     // given by the caller
	find func(program string, from lab.Source) (string, error) // a server's executable

	mu       sync.Mutex
	paths    map[string]string
	standIn  map[string]bool   // programs for which one of ours stands in
	lacks    map[string]bool   // programs of optional nodes that cannot be had
	versions map[string]string // for the manifest
	lines    []string          // not told yet
}

func newPrograms(own map[string]string) *programs {
	return &programs{own: own, find: find, paths: map[string]string{}, standIn: map[string]bool{}, lacks: map[string]bool{},
		versions: map[string]string{}}
}

// find looks for a server's executable.
func find(program string, from lab.Source) (string, error) {
	if p, err := exec.LookPath(executable(program, from)); err == nil {
		// initdb lies beside the real program, not beside a link to it. Redis, to
		// the contrary, knows by the link's name what it is to be.
		if real, err := filepath.EvalSymlinks(p); err == nil && program == lab.ProgramPostgres {
			return real, nil
		}
		return p, nil
	}
	for _, pattern := range slices.Concat(usual(program), from.Places) {
		found, _ := filepath.Glob(pattern)
		for _, path := range slices.Backward(found) {
			if _, err := exec.LookPath(path); err == nil { // one that may be executed
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("%s is neither in PATH nor in the usual places", executable(program, from))
}

// servers are the specs' programs that are not our own, once each.
func (p *programs) servers(specs []lab.Spec) []lab.Spec {
	var out []lab.Spec
	for _, s := range specs {
		if p.own[s.Program] == "" && !slices.ContainsFunc(out, func(o lab.Spec) bool { return o.Program == s.Program }) {
			out = append(out, s)
		}
	}
	return out
}

// missing are the programs, by the names they are installed by, that are
// neither known nor found, and for which nothing has been told to stand in.
func (p *programs) missing(specs []lab.Spec) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, s := range p.servers(specs) {
		if p.standIn[s.Program] || p.lacks[s.Program] || slices.Contains(out, installs(s.Program)) {
			continue
		}
		if _, err := p.find(s.Program, s.Source); err != nil {
			out = append(out, installs(s.Program))
		}
	}
	return out
}

// resolve finds every program, or the stand-in that its spec names. The error
// names all that cannot be had, and how to get it.
func (p *programs) resolve(specs []lab.Spec) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.Copy(p.paths, p.own)
	var lacking, packages []string
	for _, s := range p.servers(specs) {
		if p.paths[s.Program] != "" || p.standIn[s.Program] || p.lacks[s.Program] {
			continue
		}
		path, err := p.find(s.Program, s.Source)
		switch {
		case err == nil:
			p.paths[s.Program], p.versions[s.Program] = path, version(path, s.Source)
		case len(s.StandIn) > 0:
			p.standIn[s.Program] = true
			p.versions["standin_"+s.Program] = fmt.Sprintf("%s is missing: %s stands in, so its figures are not %[1]s's",
				executable(s.Program, s.Source), "harness "+s.StandIn[0])
			p.lines = append(p.lines, p.versions["standin_"+s.Program])
		case s.Optional:
			p.lacks[s.Program] = true
			p.lines = append(p.lines, fmt.Sprintf("%s is left out: %v; `make deps` installs it where it may", s.Name, err))
		default:
			lacking = append(lacking, executable(s.Program, s.Source))
			packages = append(packages, s.Source.Packages...)
		}
	}
	if len(lacking) > 0 {
		debian := strings.Join(append([]string{"postgresql redis-server nginx-light nodejs"}, packages...), " ")
		return fmt.Errorf("%s missing: install with `make deps` (Debian, Ubuntu: sudo apt-get install %s; "+
			"Homebrew: brew install postgresql@15 redis nginx node), or start a Docker engine", strings.Join(lacking, " and "), debian)
	}
	return nil
}

func (p *programs) without(program string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lacks[program]
}

// news are lines that a person should read, once.
func (p *programs) news() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	lines := p.lines
	p.lines = nil
	return lines
}

func (p *programs) info() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.versions)
}

// version is the first line that a server says of itself.
func version(path string, from lab.Source) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	args := []string{"--version"}
	switch {
	case len(from.Version) > 0:
		args = from.Version
	case filepath.Base(path) == "nginx":
		args = []string{"-v"}
	}
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput() //nolint:gosec // a server that a spec names
	if err != nil {
		return path
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return strings.TrimPrefix(line, "nginx version: ")
}

// command is a node's command line.
func (p *programs) command(ctx context.Context, n *node) ([]string, error) {
	p.mu.Lock()
	path, standIn := p.paths[n.spec.Program], p.standIn[n.spec.Program]
	p.mu.Unlock()
	args := make([]string, len(n.spec.Args))
	for i, a := range n.spec.Args {
		if args[i] = a; a == "/tmp" {
			args[i] = n.local(a)
		}
		args[i] = strings.ReplaceAll(args[i], "=/tmp/", "="+n.local("/tmp")+"/")
		for file := range n.spec.Files {
			args[i] = strings.ReplaceAll(args[i], file, n.local(file))
		}
	}
	if standIn {
		own, err := p.copyOf(n.runtime, lab.ProgramHarness)
		return append([]string{own}, n.spec.StandIn...), err
	}
	if p.own[n.spec.Program] != "" {
		own, err := p.copyOf(n.runtime, n.spec.Program)
		return append([]string{own}, args...), err
	}
	if path == "" {
		return nil, fmt.Errorf("program %q was not prepared", n.spec.Program)
	}
	switch n.spec.Program {
	case lab.ProgramPostgres:
		data, err := p.database(ctx, n, path)
		// No socket: its path could be too long, and it is not used.
		return append([]string{path, "-D", data, "-c", "unix_socket_directories="}, args...), err
	case lab.ProgramNginx:
		// The error log of the time before the configuration is read.
		return append([]string{path, "-p", n.dir, "-e", "stderr", "-c", n.local("/etc/nginx/nginx.conf"), "-g", "daemon off;"}, args...), nil
	default:
		return append([]string{path}, args...), nil
	}
}

// copyOf puts one of our own programs into the run's folder, once.
func (p *programs) copyOf(r *Runtime, program string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	from := p.own[program]
	if from == "" {
		return "", fmt.Errorf("program %q: no binary was given", program)
	}
	folder := filepath.Join(r.dir.path, binFolder)
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // run by another user
		return "", err
	}
	to := filepath.Join(folder, strings.ReplaceAll(program, "/", "-"))
	if _, err := os.Stat(to); err == nil {
		return to, nil
	}
	return to, copyFile(from, to, 0o755)
}

// copyFile copies one file; to must not exist.
func copyFile(from, to string, mode os.FileMode) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
