package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	clusterOnce  sync.Once
	clusterNodes []string
	errCluster   error
)

// RedisCluster returns the addresses of the three masters of the test binary's Redis Cluster, which share its slots. Tests share it: each
// must use keys of its own.
func RedisCluster(tb testing.TB) []string {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs Redis, and -short asks for tests without servers: run make test")
	}
	clusterOnce.Do(func() { clusterNodes, errCluster = launchCluster() })
	if errCluster != nil {
		tb.Fatalf("Redis Cluster for tests: %v", errCluster)
	}
	for _, addr := range clusterNodes {
		waitForRedis(tb, addr, func(ctx context.Context, rdb *redis.Client) error {
			info, err := rdb.ClusterInfo(ctx).Result()
			if err == nil && (!strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_size:3")) {
				err = errors.New(info)
			}
			return err
		})
	}
	return clusterNodes
}

// launchCluster starts three servers that share the slots, and makes them known to each other.
func launchCluster() (addrs []string, err error) {
	const nodes, slots = 3, 16384
	for range nodes {
		bus, err := freePort()
		if err != nil {
			return nil, err
		}
		addr, err := spawnRedis("gatelab-cluster-", nil, "--cluster-enabled", "yes", "--cluster-port", fmt.Sprint(bus),
			"--cluster-node-timeout", "2000")
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, addr)
	}
	for i, addr := range addrs {
		err := untilDone(addr, func(ctx context.Context, rdb *redis.Client) error {
			if err := rdb.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil && !strings.Contains(err.Error(), "already") {
				return err
			}
			err := rdb.Do(ctx, "cluster", "addslotsrange", i*slots/nodes, (i+1)*slots/nodes-1).Err()
			if err != nil && !strings.Contains(err.Error(), "already busy") {
				return err
			}
			host, port, _ := net.SplitHostPort(addrs[0])
			bus, err := busPort(addrs[0])
			if err != nil || i == 0 {
				return err
			}
			return rdb.Do(ctx, "cluster", "meet", host, port, bus).Err()
		})
		if err != nil {
			return nil, err
		}
	}
	return addrs, nil
}

// busPort is the port on which a server speaks to others of its cluster.
func busPort(addr string) (port string, err error) {
	err = untilDone(addr, func(ctx context.Context, rdb *redis.Client) error {
		got, err := rdb.ConfigGet(ctx, "cluster-port").Result()
		port = got["cluster-port"]
		return err
	})
	return port, err
}

// WatchedRedis is a master with a replica, and a Sentinel that makes the replica the master when that is gone.
type WatchedRedis struct {
	Master   string // its name
	Sentinel string // host:port
	first    string // the master's address at first
}

// RedisSentinel starts a master, a replica and a Sentinel for one test.
func RedisSentinel(tb testing.TB) *WatchedRedis {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs Redis, and -short asks for tests without servers: run make test")
	}
	fail := func(err error) {
		if err != nil {
			tb.Fatalf("Redis with a Sentinel for tests: %v", err)
		}
	}
	master, err := spawnRedis("gatelab-master-", nil)
	fail(err)
	host, port, _ := net.SplitHostPort(master)
	replica, err := spawnRedis("gatelab-replica-", nil, "--replicaof", host, port, "--repl-diskless-sync-delay", "0")
	fail(err)
	for _, addr := range []string{master, replica} {
		waitForRedis(tb, addr, func(ctx context.Context, rdb *redis.Client) error {
			info, err := rdb.Info(ctx, "replication").Result()
			if err == nil && addr == replica && !strings.Contains(info, "master_link_status:up") {
				err = errors.New(info)
			}
			return err
		})
	}
	const name = "gatelab"
	sentinel, err := spawnRedis("gatelab-sentinel-", []string{
		fmt.Sprintf("sentinel monitor %s %s %s 1", name, host, port),
		"sentinel down-after-milliseconds " + name + " 500",
		"sentinel failover-timeout " + name + " 5000",
	}, "--sentinel")
	fail(err)
	waitForRedis(tb, sentinel, func(ctx context.Context, rdb *redis.Client) error {
		known, err := rdb.Do(ctx, "sentinel", "replicas", name).Slice()
		if err == nil && len(known) != 1 {
			err = fmt.Errorf("the Sentinel knows %d replicas", len(known))
		}
		return err
	})
	return &WatchedRedis{Master: name, Sentinel: sentinel, first: master}
}

// KillMaster ends the server that was the master at first.
func (w *WatchedRedis) KillMaster(tb testing.TB) {
	tb.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: w.first, MaxRetries: -1})
	defer rdb.Close()
	_ = rdb.ShutdownNoSave(context.Background()).Err() // it does not answer
	waitFor(tb, "the master's end", "", func() error {
		c, err := net.Dial("tcp", w.first)
		if err != nil {
			return nil //nolint:nilerr // it is gone
		}
		c.Close()
		return errors.New("it still listens")
	})
}

// spawnRedis starts a server on a free port. config are lines of its configuration file; nil: it has none.
func spawnRedis(prefix string, config []string, args ...string) (addr string, err error) {
	server, err := find("redis-server", "/usr/bin/redis-server", "/opt/homebrew/bin/redis-server", "/usr/local/bin/redis-server")
	if err != nil {
		return "", err
	}
	cred, err := unprivileged()
	if err != nil {
		return "", err
	}
	dir, err := workDir(prefix, cred)
	if err != nil {
		return "", err
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	argv := []string{server}
	if config != nil {
		file := filepath.Join(dir, "redis.conf")
		if err := writeOwned(file, strings.Join(config, "\n")+"\n", cred); err != nil {
			return "", err
		}
		argv = append(argv, file)
	}
	argv = append(argv, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--dir", dir)
	if config == nil {
		argv = append(argv, "--save", "", "--appendonly", "no")
	}
	return fmt.Sprintf("127.0.0.1:%d", port), spawn(dir, cred, append(argv, args...)...)
}

func writeOwned(file, text string, cred *syscall.Credential) error {
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil || cred == nil {
		return err
	}
	return os.Chown(file, int(cred.Uid), int(cred.Gid))
}

// untilDone calls f with a client of a server until it succeeds, for at most ten seconds.
func untilDone(addr string, f func(ctx context.Context, rdb *redis.Client) error) error {
	rdb := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, DialerRetries: 1})
	defer rdb.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		err := f(ctx, rdb)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func waitForRedis(tb testing.TB, addr string, ready func(ctx context.Context, rdb *redis.Client) error) {
	tb.Helper()
	if err := untilDone(addr, ready); err != nil {
		tb.Fatalf("Redis at %s did not become ready: %v", addr, err)
	}
}
