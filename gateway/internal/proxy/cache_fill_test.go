package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// slowly asks for a path and reads nothing but the head of the answer. Its window
// is small, so that the gateway's writes wait.
func (g *gateway) slowly(t *testing.T, path string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.(*net.TCPConn).SetReadBuffer(64 << 10)
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 12)
	if _, err := io.ReadFull(c, head); err != nil || string(head) != "HTTP/1.1 200" {
		t.Fatalf("%q: %v", head, err)
	}
	return c
}

func TestASlowReaderDoesNotSetThePaceOfAFill(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 3<<20/16)
	for _, chunked := range []bool{false, true} {
		t.Run(fmt.Sprint("chunked ", chunked), func(t *testing.T) {
			var asked atomic.Int64
			release := make(chan struct{})
			origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked.Add(1)
				w.Header().Set("Content-Type", "text/plain")
				if !chunked {
					w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				}
				_, _ = io.WriteString(w, body[:1000])
				w.(http.Flusher).Flush()
				<-release
				_, _ = io.WriteString(w, body[1000:])
			}))
			defer origin.Close()
			g := startCached(t, Config{})
			g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}, proxyCachePlugin(nil)))
			slow := g.slowly(t, "/big")
			type answer struct {
				status, body string
			}
			answers := make(chan answer, 3)
			for range cap(answers) {
				go func() {
					res, err := http.Get(g.url + "/big")
					if err != nil {
						answers <- answer{body: err.Error()}
						return
					}
					defer res.Body.Close()
					b, _ := io.ReadAll(res.Body)
					answers <- answer{res.Header.Get("X-Cache-Status"), string(b)}
				}()
			}
			close(release)
			for range cap(answers) {
				select {
				case a := <-answers:
					if a.status != "Hit" || a.body != body {
						t.Errorf("%s with %d bytes", a.status, len(a.body))
					}
				case <-time.After(20 * time.Second):
					t.Fatal("the others wait for the slow reader")
				}
			}
			if n := asked.Load(); n != 1 {
				t.Errorf("the origin was asked %d times", n)
			}
			rest, err := io.ReadAll(bufio.NewReader(slow))
			if err != nil || len(rest) < len(body) {
				t.Errorf("the slow reader has %d bytes: %v", len(rest), err)
			}
		})
	}
}

func TestALeaderThatLeavesIsReplaced(t *testing.T) {
	body := strings.Repeat("x", 1<<20)
	var asked atomic.Int64
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = io.WriteString(w, body[:1000])
		w.(http.Flusher).Flush()
		if asked.Add(1) == 1 {
			<-r.Context().Done() // hangs until the gateway gives up
			return
		}
		_, _ = io.WriteString(w, body[1000:])
	}))
	defer origin.Close()
	g := startCached(t, Config{})
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}, proxyCachePlugin(nil)))
	slow := g.slowly(t, "/big")
	done := make(chan string, 1)
	go func() {
		res, err := http.Get(g.url + "/big")
		if err != nil {
			done <- err.Error()
			return
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		done <- fmt.Sprint(res.StatusCode, len(b), err)
	}()
	slow.Close()
	select {
	case got := <-done:
		if got != fmt.Sprint(200, len(body), error(nil)) {
			t.Errorf("the follower has %s", got)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the follower waits for a leader that is gone")
	}
}

func TestABrokenAnswerIsNotStored(t *testing.T) {
	for name, raw := range map[string]string{
		"shorter than it said": "Content-Length: 100000\r\n\r\n" + strings.Repeat("x", 70000),
		"chunked":              "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			origin := startPeer(t, func(c net.Conn, _ *http.Request, n int64) bool {
				if n == 1 {
					_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"+raw)
					return false
				}
				_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok")
				return err == nil
			})
			g := startCached(t, Config{})
			g.apply(t, config(origin.url, entity.Route{Paths: []string{"/"}}, proxyCachePlugin(nil)))
			if res, err := http.Get(g.url + "/"); err == nil {
				_, err = io.ReadAll(res.Body)
				res.Body.Close()
				if err == nil {
					t.Error("the first answer looks whole")
				}
			}
			if res, body := get(t, g.url+"/"); body != "ok" || res.Header.Get("X-Cache-Status") != "Miss" {
				t.Errorf("then %s %q", res.Header.Get("X-Cache-Status"), body)
			}
		})
	}
}

func TestAKeyIsFoundInABodyAndHidden(t *testing.T) {
	type got struct {
		length         int64
		kind, te, body string
	}
	seen := make(chan got, 1)
	origin := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		seen <- got{r.ContentLength, r.Header.Get("Content-Type"), strings.Join(r.TransferEncoding, ","), string(b)}
	}))
	defer origin.Close()
	g := start(t, Config{}, 4)
	g.apply(t, config(origin.URL, entity.Route{Paths: []string{"/"}}, entity.Plugin{ID: "p", Name: "key-auth", Enabled: true,
		Config: map[string]any{"key_names": []any{"apikey"}, "key_in_header": true, "key_in_body": true, "hide_credentials": true}}))
	const form = "application/x-www-form-urlencoded"
	const js = "application/json"
	const multi = "multipart/form-data; boundary=B"
	chunks := func(s string) string {
		var b strings.Builder
		for i := 0; i < len(s); i += 7 {
			piece := s[i:min(i+7, len(s))]
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(piece), piece)
		}
		return b.String() + "0\r\n\r\n"
	}
	long := "a=" + strings.Repeat("x", 100<<10)
	for _, c := range []struct{ name, header, kind, body, want string }{
		{name: "a form", kind: form, body: "a=1&apikey=secret-key&b=%20c&d=x%2By", want: "a=1&b=%20c&d=x%2By"},
		{name: "JSON", kind: js, body: `{"apikey":"secret-key","n":1}`, want: `{"n":1}`},
		{name: "multipart", kind: multi, body: "--B\r\nContent-Disposition: form-data; name=\"apikey\"\r\n\r\nsecret-key\r\n--B--\r\n",
			want: "--B--\r\n"},
		{name: "the key alone", kind: form, body: "apikey=secret-key"},
		{name: "a key in the header, a long body", header: "apikey: secret-key\r\n", kind: form, body: long, want: long},
		{name: "a key in the header, another body", header: "apikey: secret-key\r\n", kind: js, body: `{"n": 1}`, want: `{"n": 1}`},
	} {
		for _, chunked := range []bool{false, true} {
			head := fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: %s\r\n%s", c.kind, c.header)
			request := head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(c.body)) + c.body
			if chunked {
				request = head + "Transfer-Encoding: chunked\r\n\r\n" + chunks(c.body)
			}
			if answer := g.say(t, request); !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
				t.Errorf("%s, chunked %t: %q", c.name, chunked, answer)
				continue
			}
			s := <-seen
			if s.body != c.want || s.kind != c.kind || s.te == "" && s.length != int64(len(c.want)) || s.te != "" &&
				(!chunked || len(c.body) <= 64<<10) {
				t.Errorf("%s, chunked %t: the upstream saw %d bytes (length %d, %q, %s)", c.name, chunked, len(s.body), s.length, s.te, s.kind)
			}
		}
	}
	// Beyond the bound a body has no key; one that breaks off is no body.
	for request, want := range map[string]string{
		"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: " + form + "\r\nTransfer-Encoding: chunked\r\n\r\n" +
			chunks("apikey=secret-key&"+long): "HTTP/1.1 401 ",
		"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: " + form +
			"\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX": "HTTP/1.1 400 ",
	} {
		c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = io.WriteString(c, request)
		answer := make([]byte, len(want))
		if _, err := io.ReadFull(c, answer); err != nil || string(answer) != want {
			t.Errorf("answered %q (%v), want %s", answer, err, want)
		}
		c.Close() // what the gateway did not read of the body may end in a reset
	}
}
