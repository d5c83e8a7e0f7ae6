package doctor

import (
	"context"
	"fmt"

	"github.com/gatelab/gatelab/harness/internal/lab/docker"
)

// engine asks the Docker engine for its version.
func dockerEngine(ctx context.Context) Finding {
	f := Finding{Check: "docker", Level: OK}
	rt, err := docker.New(ctx, docker.Config{})
	if err != nil {
		f.Level, f.Found = Fail, err.Error()
		f.Remedy = "install and start Docker (Debian, Ubuntu: sudo apt-get install docker.io), or set DOCKER_HOST to where it answers"
		return f
	}
	info := rt.Info(ctx)
	f.Found = fmt.Sprintf("%s, %s, cgroup v%s", info["engine"], info["storage_driver"], info["cgroup_version"])
	if err := rt.Close(ctx); err != nil {
		f.Level, f.Found = Warn, err.Error()
	}
	return f
}
