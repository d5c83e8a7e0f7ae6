package listen

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// dial connects to the port of a socket over loopback.
func dial(address string) error {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err == nil {
		_ = c.Close()
	}
	return err
}

func TestConnectionsAreRefusedUntilListen(t *testing.T) {
	for _, tt := range []struct {
		name, address string
		dial          []string // hosts that must be served
	}{
		{name: "IPv4", address: "127.0.0.1:0", dial: []string{"127.0.0.1"}},
		{name: "a name", address: "localhost:0", dial: []string{"localhost"}},
		{name: "all of both families", address: ":0", dial: []string{"127.0.0.1", "::1"}},
		{name: "all, as IPv4", address: "0.0.0.0:0", dial: []string{"127.0.0.1", "::1"}},
		{name: "all, as IPv6", address: "[::]:0", dial: []string{"127.0.0.1", "::1"}},
		{name: "IPv6", address: "[::1]:0", dial: []string{"::1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Bind(tt.address)
			if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
				t.Skip("this machine has no IPv6")
			}
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			port := fmt.Sprint(s.Addr().(*net.TCPAddr).Port)
			if port == "0" {
				t.Fatal("the port is not known")
			}
			for _, host := range tt.dial {
				if err := dial(net.JoinHostPort(host, port)); !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
					t.Errorf("before Listen, %s: %v, want connection refused", host, err)
				}
			}
			ln, err := s.Listen()
			if err != nil {
				t.Fatal(err)
			}
			if ln.Addr().(*net.TCPAddr).Port != s.Addr().(*net.TCPAddr).Port {
				t.Errorf("listens on %s, not on %s", ln.Addr(), s.Addr())
			}
			for _, host := range tt.dial {
				if err := dial(net.JoinHostPort(host, port)); err != nil && !errors.Is(err, syscall.EADDRNOTAVAIL) && !noIPv6(host) {
					t.Errorf("after Listen, %s: %v", host, err)
				}
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if _, err := ln.Accept(); err == nil {
				_, err = ln.Accept() // the first may be one that was dialled above
				for range tt.dial {
					if err == nil {
						_, err = ln.Accept()
					}
				}
				if err == nil {
					t.Error("the listener outlives its socket")
				}
			}
		})
	}
}

func noIPv6(host string) bool {
	if !strings.Contains(host, ":") {
		return false
	}
	ln, err := net.Listen("tcp", "[::1]:0")
	if err == nil {
		_ = ln.Close()
	}
	return err != nil
}

func TestAnAddressInUseIsFoundAtOnce(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if s, err := Bind(other.Addr().String()); err == nil || !strings.Contains(err.Error(), "in use") {
		_ = s.Close()
		t.Errorf("got %v, want that the address is in use", err)
	}
	for _, address := range []string{"127.0.0.1", "127.0.0.1:99999", "192.0.2.1:0"} {
		if _, err := Bind(address); err == nil {
			t.Errorf("%s was bound", address)
		}
	}
}

func TestCloseWithoutListen(t *testing.T) {
	s, err := Bind("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Listen(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Listen after Close: %v", err)
	}
	again, err := Bind(s.Addr().String())
	if err != nil {
		t.Fatalf("the address was not given up: %v", err)
	}
	_ = again.Close()
}

// Where replicas share a port (SO_REUSEPORT), one that only has it reserved gets
// none of the connections.
func TestAReservedAddressTakesNoConnectionOfASharedPort(t *testing.T) {
	share := func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }
	b, addr, err := bind("127.0.0.1:0", share)
	if err != nil {
		t.Fatal(err)
	}
	serving := &Socket{addr: addr, bound: b}
	defer serving.Close()
	ln, err := serving.Listen()
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "x")
			_ = c.Close()
		}
	}()
	b, addr, err = bind(addr.String(), share)
	if err != nil {
		t.Fatal(err)
	}
	waiting := &Socket{addr: addr, bound: b}
	defer waiting.Close()
	for i := range 100 {
		c, err := net.DialTimeout("tcp", addr.String(), 5*time.Second)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if got, err := io.ReadAll(c); string(got) != "x" {
			t.Fatalf("connection %d was not served: %q %v", i, got, err)
		}
		_ = c.Close()
	}
	// The other one takes over: it listens, and the first stops.
	if _, err := waiting.Listen(); err != nil {
		t.Fatal(err)
	}
	_ = serving.Close()
	<-served
	if err := dial(addr.String()); err != nil {
		t.Errorf("after the hand-over: %v", err)
	}
}
