package engine

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/gatelab/gatelab/harness/internal/load"
)

// sockets is a server of WebSockets that answers each message with what answer makes of it; it counts the connections and messages.
func sockets(t *testing.T, answer func(n int64, message []byte) []byte) (url string, opened, messages *atomic.Int64) {
	t.Helper()
	opened, messages = &atomic.Int64{}, &atomic.Int64{}
	upgrader := websocket.Upgrader{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ws/7" || r.Header.Get("X-Bench") != "1" {
			http.Error(w, r.URL.Path, http.StatusTeapot)
			return
		}
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		opened.Add(1)
		for {
			kind, message, err := ws.ReadMessage()
			if err != nil {
				return
			}
			if message = answer(messages.Add(1), message); message == nil {
				return
			}
			if ws.WriteMessage(kind, message) != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, opened, messages
}

func messages(url, model string) load.Attack {
	return load.Attack{
		Model: model, Target: url, WebSocket: true, Connections: 4, Rate: 200, Duration: 300 * time.Millisecond, Timeout: 5 * time.Second,
		Requests: []load.Request{{Name: "message", Path: "/ws/7", Body: `{"n":{id}}`, IDs: 50, Header: map[string]string{"X-Bench": "1"}}},
	}
}

func TestEachMessageOfAWebSocketIsARequest(t *testing.T) {
	for _, model := range []string{load.Closed, load.Open} {
		url, opened, counted := sockets(t, func(_ int64, message []byte) []byte { return message })
		r := begin(t, messages(url, model))
		res := wait(t, r)
		if res.Failed > 0 || res.Successes == 0 || res.Status[http.StatusSwitchingProtocols] != res.Successes {
			t.Fatalf("%s: %+v, errors %v, %v", model, res.Counts, res.Errors, res.Mismatches)
		}
		if n := opened.Load(); n < 1 || n > 4 {
			t.Errorf("%s: %d connections, want 4 at most", model, n)
		}
		if n := counted.Load(); n != int64(res.Sent) {
			t.Errorf("%s: %d messages came, %d were sent", model, n, res.Sent)
		}
		if model == load.Closed && opened.Load() != 4 {
			t.Errorf("%d connections, want 4", opened.Load())
		}
		if res.BytesIn < 7*res.Successes {
			t.Errorf("%s: %d bytes in %d messages", model, res.BytesIn, res.Successes)
		}
	}
}

func TestWhatIsNoEchoFails(t *testing.T) {
	for _, row := range []struct {
		name   string
		answer func(n int64, message []byte) []byte
		kind   string
	}{
		{"a byte more", func(n int64, m []byte) []byte {
			if n%10 == 0 {
				return append(m, 'x')
			}
			return m
		}, load.KindMismatch},
		{"another client's", func(n int64, m []byte) []byte {
			if n%10 == 0 {
				return []byte(strings.Repeat("y", len(m)))
			}
			return m
		}, load.KindMismatch},
		{"the end", func(n int64, m []byte) []byte {
			if n%10 == 0 {
				return nil
			}
			return m
		}, load.KindEOF},
	} {
		url, opened, _ := sockets(t, row.answer)
		res := wait(t, begin(t, messages(url, load.Closed)))
		if res.Errors[row.kind] == 0 || uint64(len(res.Errors)) != 1 || res.Successes == 0 {
			t.Errorf("%s: errors %v, %d successes, want %s", row.name, res.Errors, res.Successes, row.kind)
		}
		if opened.Load() <= 4 {
			t.Errorf("%s: %d connections: none was opened anew", row.name, opened.Load())
		}
	}
}

func TestARefusedHandshakeIsItsStatus(t *testing.T) {
	url, _, _ := sockets(t, func(_ int64, message []byte) []byte { return message })
	a := messages(url, load.Open)
	a.Requests[0].Header = nil
	if res := wait(t, begin(t, a)); res.Errors["status_418"] != res.Requests || res.Requests == 0 {
		t.Errorf("%d requests, errors %v", res.Requests, res.Errors)
	}
	wrong := says(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
		func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	res := wait(t, begin(t, messages(wrong, load.Open)))
	if res.Errors[load.KindMalformed] != res.Requests || len(res.Mismatches) == 0 ||
		!strings.Contains(res.Mismatches[0].Detail, "Sec-WebSocket-Accept") {
		t.Errorf("%d requests, errors %v, %v", res.Requests, res.Errors, res.Mismatches)
	}
}

func TestAttacksOverWebSocketsAreChecked(t *testing.T) {
	for want, change := range map[string]func(*load.Attack){
		"one request":   func(a *load.Attack) { a.Requests = append(a.Requests, load.Request{Name: "b", Path: "/", Body: "x"}) },
		"whose body":    func(a *load.Attack) { a.Requests[0].Body = "" },
		"a GET":         func(a *load.Attack) { a.Requests[0].Method = http.MethodPost },
		"no reconnect":  func(a *load.Attack) { a.Reconnect = true },
		"an http targe": func(a *load.Attack) { a.Target, a.TLS = "https://127.0.0.1:1", &load.TLS{Roots: "x", Name: "x"} },
	} {
		a := messages("http://127.0.0.1:1", load.Closed)
		change(&a)
		if err := a.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
