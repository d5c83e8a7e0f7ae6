package main

import (
	"context"
	"fmt"

	"gatelab/harness/internal/lab/docker"
)

// engine asks the Docker engine who it is.
func engine(ctx context.Context) finding {
	f := finding{what: "docker", level: "ok"}
	rt, err := docker.New(ctx, docker.Config{})
	if err != nil {
		f.level, f.found = "lack", err.Error()
		f.remedy = "install and start Docker (Debian, Ubuntu: sudo apt-get install docker.io), or set DOCKER_HOST to where it answers"
		return f
	}
	info := rt.Info(ctx)
	f.found = fmt.Sprintf("%s, %s, cgroup v%s", info["engine"], info["storage_driver"], info["cgroup_version"])
	if err := rt.Close(ctx); err != nil {
		f.level, f.found = "note", err.Error()
	}
	return f
}
