package testenv

import (
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
)

var (
	redisOnce sync.Once
	redisAddr string
	redisErr  error
	redisDir  string
)

// Redis returns the host:port of the test binary's Redis server. Tests share
// it: each must use keys of its own or flush a database number of its own.
func Redis(tb testing.TB) string {
	tb.Helper()
	if testing.Short() {
		tb.Skip("needs Redis, and -short asks for tests without servers: run make test")
	}
	redisOnce.Do(func() {
		if redisAddr = os.Getenv("GATELAB_TEST_REDIS"); redisAddr == "" {
			redisAddr, redisErr = launchRedis()
		}
	})
	if redisErr != nil {
		tb.Fatalf("Redis for tests: %v: "+hint, redisErr, "GATELAB_TEST_REDIS")
	}
	waitFor(tb, "Redis", redisDir, func() error {
		c, err := net.Dial("tcp", redisAddr)
		if err != nil {
			return err
		}
		return c.Close()
	})
	return redisAddr
}

func launchRedis() (string, error) {
	server, err := find("redis-server", "/usr/bin/redis-server", "/opt/homebrew/bin/redis-server", "/usr/local/bin/redis-server")
	if err != nil {
		return "", err
	}
	cred, err := unprivileged()
	if err != nil {
		return "", err
	}
	if redisDir, err = workDir("gatelab-redis-", cred); err != nil {
		return "", err
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	return addr, spawn(redisDir, cred, server, "--port", fmt.Sprint(port), "--bind", "127.0.0.1",
		"--save", "", "--appendonly", "no", "--dir", redisDir)
}
