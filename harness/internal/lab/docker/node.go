package docker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// node is one container. Its fields do not change once Start has returned it.
type node struct {
	runtime    *Runtime
	name, role string
	id         string
	network    *labNetwork
	address    netip.Addr
	ports      map[int]int // inside -> loopback
	cpus       float64     // as it was made; 0 is no limit
	memory     int64       // bytes, likewise
	meter      lab.Meter
}

var _ lab.Node = (*node)(nil)

func (n *node) Name() string { return n.name }
func (n *node) Role() string { return n.role }

func (n *node) Addr(port int) string { return net.JoinHostPort(n.name, strconv.Itoa(port)) }

func (n *node) HostAddr(port int) string {
	host, ok := n.ports[port]
	if !ok {
		return ""
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(host))
}

// endpoint is the node's place on the network: the same name and address
// whenever it is connected.
func (n *node) endpoint() *network.EndpointSettings {
	return &network.EndpointSettings{
		NetworkID:  n.network.id,
		Aliases:    []string{n.name},
		IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: n.address},
	}
}

// Stop takes whole seconds of grace, rounded up: the engine knows no less.
func (n *node) Stop(ctx context.Context, grace time.Duration) error {
	n.sample(ctx)
	seconds := int((grace + time.Second - 1) / time.Second)
	_, err := n.runtime.api.ContainerStop(ctx, n.id, client.ContainerStopOptions{Timeout: &seconds})
	return n.explain("stop", err)
}

func (n *node) Kill(ctx context.Context) error {
	n.sample(ctx)
	_, err := n.runtime.api.ContainerKill(ctx, n.id, client.ContainerKillOptions{Signal: "SIGKILL"})
	return n.explain("kill", err)
}

func (n *node) Start(ctx context.Context) error {
	_, err := n.runtime.api.ContainerStart(ctx, n.id, client.ContainerStartOptions{})
	return n.explain("start", explainPort(n, err))
}

func (n *node) Pause(ctx context.Context) error {
	_, err := n.runtime.api.ContainerPause(ctx, n.id, client.ContainerPauseOptions{})
	return n.explain("pause", err)
}

func (n *node) Resume(ctx context.Context) error {
	_, err := n.runtime.api.ContainerUnpause(ctx, n.id, client.ContainerUnpauseOptions{})
	return n.explain("resume", err)
}

func (n *node) CutOff(ctx context.Context) error {
	_, err := n.runtime.api.NetworkDisconnect(ctx, n.network.id, client.NetworkDisconnectOptions{Container: n.id, Force: true})
	return n.explain("disconnect", err)
}

func (n *node) Reconnect(ctx context.Context) error {
	_, err := n.runtime.api.NetworkConnect(ctx, n.network.id, client.NetworkConnectOptions{
		Container: n.id, EndpointConfig: n.endpoint(),
	})
	return n.explain("reconnect", err)
}

func (n *node) Running(ctx context.Context) (bool, error) {
	s, err := n.State(ctx)
	return s.Running, err
}

func (n *node) State(ctx context.Context) (lab.State, error) {
	c, err := n.inspect(ctx)
	if err != nil {
		return lab.State{}, n.explain("inspect", err)
	}
	var s lab.State
	if c.State != nil {
		s.Running = c.State.Running
		s.Paused = c.State.Paused
		s.ExitCode = c.State.ExitCode
	}
	if c.NetworkSettings != nil {
		_, s.Connected = c.NetworkSettings.Networks[n.network.name]
	}
	return s, nil
}

func (n *node) Logs(ctx context.Context) (string, error) {
	text, err := n.runtime.logs(ctx, n.id)
	return text, n.explain("read the logs of", err)
}

func (n *node) inspect(ctx context.Context) (*container.InspectResponse, error) {
	res, err := n.runtime.api.ContainerInspect(ctx, n.id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, err
	}
	return &res.Container, nil
}

// sample reads the meter before its counters go with the process. It does not
// fall back on the engine, whose answer would keep the fault waiting: there,
// what was used since the last Usage is lost.
func (n *node) sample(ctx context.Context) {
	if now, running, err := n.fromKernel(ctx); err == nil && running {
		n.meter.Add(now)
	}
}

func (n *node) explain(verb string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", verb, n.name, err)
}

// logs is the end of a container's output, both streams in order.
func (r *Runtime) logs(ctx context.Context, id string) (string, error) {
	res, err := r.api.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: "200"})
	if err != nil {
		return "", err
	}
	defer res.Close()
	var text bytes.Buffer
	if _, err := stdcopy.StdCopy(&text, &text, io.LimitReader(res, 4<<20)); err != nil {
		return "", err
	}
	return strings.TrimRight(text.String(), "\n"), nil
}
