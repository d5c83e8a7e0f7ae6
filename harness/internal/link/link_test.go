package link_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatelab/gatelab/harness/internal/link"
	"github.com/gatelab/gatelab/internal/testenv"
	"github.com/gatelab/gatelab/internal/webguard/guardtest"
)

// echo answers every line with itself.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	return l.Addr().String()
}

// free is an address nothing listens on.
func free(t *testing.T) string {
	t.Helper()
	return testenv.FreeAddr(t)
}

// run starts a link and stops it at the end of the test.
func run(t *testing.T, c link.Config) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- link.Run(ctx, c) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	for range 3000 {
		conn, err := net.Dial("tcp", c.Admin)
		if err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the link does not listen")
}

// roundTrip is the shortest of several round trips: only the shortest says
// something of the delay on a busy machine.
func roundTrip(t *testing.T, addr string) time.Duration {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	answers := bufio.NewReader(c)
	best := time.Hour
	for i := range 10 {
		began := time.Now()
		fmt.Fprintf(c, "line %d\n", i)
		line, err := answers.ReadString('\n')
		if err != nil || line != fmt.Sprintf("line %d\n", i) {
			t.Fatalf("answer %q, %v", line, err)
		}
		best = min(best, time.Since(began))
	}
	return best
}

func TestDelayIsAddedInEachDirection(t *testing.T) {
	c := link.Config{Admin: free(t), Proxies: []link.Proxy{
		{Name: "postgres", Listen: free(t), Upstream: echo(t), Latency: 2500 * time.Microsecond},
	}}
	run(t, c)
	// No upper bound: how late a timer fires is the machine's affair. A delay in
	// one direction only would be 2.5 ms.
	if got := roundTrip(t, c.Proxies[0].Listen); got < 5*time.Millisecond {
		t.Errorf("round trip %s, want at least 5 ms", got)
	}
}

// What is lost comes a round trip of the link and 200 ms later, in each direction.
func TestWhatIsLostComesLater(t *testing.T) {
	c := link.Config{Admin: free(t), Proxies: []link.Proxy{
		{Name: "postgres", Listen: free(t), Upstream: echo(t), Latency: time.Millisecond, Loss: 1},
	}}
	run(t, c)
	if got := roundTrip(t, c.Proxies[0].Listen); got < 2*(time.Millisecond+202*time.Millisecond) {
		t.Errorf("round trip %s, want at least 406 ms", got)
	}
}

func TestDelayCanBeTakenAwayAtRunTime(t *testing.T) {
	c := link.Config{Admin: free(t), Proxies: []link.Proxy{
		{Name: "redis", Listen: free(t), Upstream: echo(t), Latency: 200 * time.Millisecond, Jitter: time.Millisecond},
	}}
	run(t, c)
	for _, d := range []string{"upstream", "downstream"} {
		req, err := http.NewRequest(http.MethodDelete, "http://"+c.Admin+"/proxies/redis/toxics/delay_"+d, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusNoContent {
			t.Fatalf("delete the delay: status %d", res.StatusCode)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if got := roundTrip(t, c.Proxies[0].Listen); got >= 390*time.Millisecond {
		t.Errorf("round trip %s, want less than the delay that was removed", got)
	}
}

func TestMuchInFlightTakesNoLongerThanLittle(t *testing.T) {
	c := link.Config{Admin: free(t), Proxies: []link.Proxy{
		{Name: "origin", Listen: free(t), Upstream: echo(t), Latency: 250 * time.Millisecond},
	}}
	run(t, c)
	conn, err := net.Dial("tcp", c.Proxies[0].Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	began := time.Now()
	const size = 4 << 20 // some 128 chunks of 32 KiB: 32 s if each waited for the one before
	go func() { _, _ = conn.Write(make([]byte, size)) }()
	if n, err := io.CopyN(io.Discard, conn, size); err != nil {
		t.Fatalf("%d of %d bytes: %v", n, size, err)
	}
	if got := time.Since(began); got > 16*time.Second {
		t.Errorf("took %s: chunks wait for each other", got)
	}
}

func TestRunRefuses(t *testing.T) {
	busy := echo(t)
	for _, c := range []struct {
		name   string
		config link.Config
		want   string
	}{
		{name: "a listener that is taken", config: link.Config{Proxies: []link.Proxy{{Name: "redis", Listen: busy, Upstream: busy}}},
			want: "link redis:"},
		{name: "an admin address that is taken", config: link.Config{Admin: busy}, want: "link admin:"},
		{name: "a jitter that would make time run backwards", config: link.Config{Proxies: []link.Proxy{{Name: "x", Listen: free(t),
			Upstream: busy, Latency: 1, Jitter: 2}}}, want: "want 0 <= jitter <= latency"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := link.Run(t.Context(), c.config)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestParseProxy(t *testing.T) {
	for _, c := range []struct {
		text string
		want link.Proxy
	}{
		{text: "postgres=:15432,postgres:5432,2.5ms,500µs", want: link.Proxy{Name: "postgres", Listen: ":15432",
			Upstream: "postgres:5432", Latency: 2500 * time.Microsecond, Jitter: 500 * time.Microsecond}},
		{text: "postgres=:1,a:2,40ms,4ms,0.01", want: link.Proxy{Name: "postgres", Listen: ":1", Upstream: "a:2",
			Latency: 40 * time.Millisecond, Jitter: 4 * time.Millisecond, Loss: 0.01}},
		{text: "redis=127.0.0.1:1,[::1]:2", want: link.Proxy{Name: "redis", Listen: "127.0.0.1:1", Upstream: "[::1]:2"}},
	} {
		if got, err := link.ParseProxy(c.text); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{"", "postgres", "=:1,a:2", "x=:1", "x=:1,a:2,b", "x=1,a:2", "x=:1,a:2,-1s", "x=:1,a:2,1s,2s",
		"x=:1,a:2,1s,1s,1s", "x=:1,a:2,1s,1s,2", "x=:1,a:2,1s,1s,NaN", "x=:1,a:2,1s,1s,-1", "x=:1,a:2,1s,1s,0,0"} {
		if got, err := link.ParseProxy(text); err == nil {
			t.Errorf("%q was taken: %+v", text, got)
		}
	}
}

func FuzzParseProxy(f *testing.F) {
	f.Add("postgres=:15432,postgres:5432,2.5ms,500us")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := link.ParseProxy(text)
		if err == nil && (p.Name == "" || p.Jitter > p.Latency || p.Latency < 0) {
			t.Errorf("%q gave %+v", text, p)
		}
	})
}

func TestAdminRefusesWebPages(t *testing.T) {
	c := link.Config{Admin: free(t)}
	run(t, c)
	guardtest.Refuses(t, "GET", "http://"+c.Admin+"/proxies")
	guardtest.Refuses(t, "POST", "http://"+c.Admin+"/reset")
	guardtest.Refuses(t, "DELETE", "http://"+c.Admin+"/proxies/x")
}

func TestAdminReadsNoEndlessBody(t *testing.T) {
	c := link.Config{Admin: free(t)}
	run(t, c)
	conn, err := net.Dial("tcp", c.Admin)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	const head = "POST /proxies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n"
	// The answer comes before a thousandth of it; what is sent after that may fail.
	_, _ = io.WriteString(conn, head+"{\"name\":\""+strings.Repeat("a", 1<<20))
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, " 400 ") {
		t.Errorf("answered %q, %v", line, err)
	}
}
