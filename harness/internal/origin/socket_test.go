package origin_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/gatelab/gatelab/harness/internal/origin"
)

func openSocket(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	ws, res, err := websocket.DefaultDialer.DialContext(t.Context(), strings.Replace(url, "http", "ws", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	t.Cleanup(func() { ws.Close() })
	if err := ws.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return ws
}

func TestAWebSocketEchoesMessagesAndCloses(t *testing.T) {
	o, url, _ := serve(t, origin.Config{Models: 1, BodyBytes: 100})
	ws := openSocket(t, url+"/websocket")
	pongs := make(chan string, 1)
	ws.SetPongHandler(func(said string) error { pongs <- said; return nil })
	if err := ws.WriteControl(websocket.PingMessage, []byte("are you there"), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	for kind, message := range map[int][]byte{
		websocket.TextMessage: []byte("hello"), websocket.BinaryMessage: bytes.Repeat([]byte{0, 255, 1}, 30_000),
	} {
		if err := ws.WriteMessage(kind, message); err != nil {
			t.Fatal(err)
		}
		got, echoed, err := ws.ReadMessage()
		if err != nil || got != kind || !bytes.Equal(echoed, message) {
			t.Errorf("a message of kind %d and %d bytes for one of %d and %d: %v", got, len(echoed), kind, len(message), err)
		}
	}
	if said := <-pongs; said != "are you there" {
		t.Errorf("pong %q", said)
	}
	if err := ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4001, ""), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	var closed *websocket.CloseError
	if _, _, err := ws.ReadMessage(); !errors.As(err, &closed) || closed.Code != 4001 {
		t.Errorf("ended with %v, want close code 4001", err)
	}
	ws = openSocket(t, url+"/websocket?close=4002")
	if err := ws.WriteMessage(websocket.TextMessage, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ws.ReadMessage(); !errors.As(err, &closed) || closed.Code != 4002 || closed.Text != "as asked: 4002" {
		t.Errorf("ended with %v, want close code 4002", err)
	}
	if n := o.Stats().Endpoints["websocket"]["101"]; n != 2 {
		t.Errorf("%d counted, want 2", n)
	}
}

func TestOnlyAnUpgradeSwitchesProtocols(t *testing.T) {
	_, url, client := serve(t, origin.Config{Models: 1, BodyBytes: 100})
	for _, row := range []struct {
		header string // of one request: names and values in turn
		status int
	}{
		{status: http.StatusUpgradeRequired},
		{header: "Upgrade websocket", status: http.StatusUpgradeRequired},
		{header: "Connection Upgrade Upgrade websocket", status: http.StatusBadRequest},
		{header: "Connection Upgrade Upgrade bench", status: http.StatusSwitchingProtocols},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/websocket", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		words := strings.Fields(row.header)
		for i := 0; i < len(words); i += 2 {
			req.Header.Set(words[i], words[i+1])
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != row.status {
			t.Errorf("%q: status %d, want %d", row.header, res.StatusCode, row.status)
		}
		if tunnel, ok := res.Body.(io.ReadWriter); ok && row.status == http.StatusSwitchingProtocols {
			echoed := make([]byte, 5)
			if _, err := io.WriteString(tunnel, "bytes"); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(tunnel, echoed); err != nil || string(echoed) != "bytes" {
				t.Errorf("echoed %q: %v", echoed, err)
			}
		}
		res.Body.Close()
	}
}
