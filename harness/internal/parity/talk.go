package parity

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/gatelab/gatelab/harness/internal/policy"
)

// handshakeHeaders are those of an answer to a handshake that a probe's answer keeps: others depend on a key that is drawn.
var handshakeHeaders = []string{"Upgrade", "Connection"}

// talk opens a WebSocket with a probe's request, and says on it what the probe wants. Where it goes otherwise is in out.Said; an error says
// that there was no answer at all.
func (a *asker) talk(req *http.Request, want *policy.Talk, out *Answer) error {
	dialer := websocket.Dialer{HandshakeTimeout: askWithin}
	address := strings.Replace(a.arm.Proxy, "http", "ws", 1) + req.URL.Opaque
	if req.URL.RawQuery != "" {
		address += "?" + req.URL.RawQuery
	}
	ws, res, err := dialer.DialContext(req.Context(), address, req.Header) //nolint:bodyclose // the library has read what it gives
	if res == nil {
		return err //nolint:wrapcheck // the caller names probe and arm
	}
	out.Status, out.Proto = res.StatusCode, res.Proto
	out.Header = http.Header{}
	for _, name := range handshakeHeaders {
		out.Header[name] = res.Header.Values(name)
	}
	if err != nil && res.StatusCode != http.StatusSwitchingProtocols {
		return nil // the status is judged
	}
	if err != nil {
		out.Said = append(out.Said, fmt.Sprintf("the handshake is not one: Upgrade %q, Connection %q, and Sec-WebSocket-Accept %q",
			res.Header.Get("Upgrade"), res.Header.Get("Connection"), res.Header.Get("Sec-WebSocket-Accept")))
		return nil
	}
	defer ws.Close()
	if err := converse(ws, want); err != nil {
		out.Said = append(out.Said, err.Error())
	}
	return nil
}

// converse makes a conversation, up to what goes otherwise.
func converse(ws *websocket.Conn, want *policy.Talk) error {
	deadline := time.Now().Add(askWithin)
	if err := errors.Join(ws.SetReadDeadline(deadline), ws.SetWriteDeadline(deadline)); err != nil {
		return err
	}
	if want.Ends != 0 {
		return ends(ws, want.Ends)
	}
	if want.Text != "" {
		if err := echoed(ws, websocket.TextMessage, []byte(want.Text)); err != nil {
			return err
		}
	}
	if want.Binary > 0 {
		if err := echoed(ws, websocket.BinaryMessage, pattern(want.Binary)); err != nil {
			return err
		}
	}
	if want.Ping != "" {
		if err := ponged(ws, want.Ping, deadline); err != nil {
			return err
		}
	}
	if want.Close != 0 {
		said := websocket.FormatCloseMessage(want.Close, "")
		if err := ws.WriteControl(websocket.CloseMessage, said, deadline); err != nil {
			return fmt.Errorf("close: %w", err)
		}
		return closed(ws, want.Close)
	}
	return nil
}

// closedWithin is how long a connection may stay open after its last frames.
const closedWithin = 3 * time.Second

// pattern is a message of a length in which each byte value occurs, and no two neighbours are alike.
func pattern(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(i * 7)
	}
	return out
}

func kindName(kind int) string {
	if kind == websocket.TextMessage {
		return "text"
	}
	return "binary"
}

// echoed sends a message, and wants it back as it was.
func echoed(ws *websocket.Conn, kind int, message []byte) error {
	if err := ws.WriteMessage(kind, message); err != nil {
		return fmt.Errorf("send a %s message: %w", kindName(kind), err)
	}
	got, back, err := ws.ReadMessage()
	switch {
	case err != nil:
		return fmt.Errorf("a %s message of %d bytes has no echo: %s", kindName(kind), len(message), short(err))
	case got != kind || !bytes.Equal(back, message):
		return fmt.Errorf("a %s message of %d bytes (%s) came back as a %s one of %d (%s)", kindName(kind), len(message), digest(message),
			kindName(got), len(back), digest(back))
	}
	return nil
}

// ponged sends a ping and a message behind it: control frames are seen by who reads messages, and stay in order with them.
func ponged(ws *websocket.Conn, payload string, deadline time.Time) error {
	var pongs []string
	ws.SetPongHandler(func(said string) error {
		pongs = append(pongs, said)
		return nil
	})
	if err := ws.WriteControl(websocket.PingMessage, []byte(payload), deadline); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	if err := echoed(ws, websocket.TextMessage, []byte("behind the ping")); err != nil {
		return err
	}
	if len(pongs) != 1 || pongs[0] != payload {
		return fmt.Errorf("a ping of %q was answered by the pongs %q", payload, pongs)
	}
	return nil
}

// ends makes the origin end the conversation.
func ends(ws *websocket.Conn, code int) error {
	if err := ws.WriteMessage(websocket.TextMessage, []byte("the last one")); err != nil {
		return fmt.Errorf("send a text message: %w", err)
	}
	return closed(ws, code)
}

// closed wants the connection to end with a close frame of a code, and then itself.
func closed(ws *websocket.Conn, code int) error {
	_, _, err := ws.ReadMessage()
	var frame *websocket.CloseError
	if !errors.As(err, &frame) || frame.Code != code {
		return fmt.Errorf("close code %d is wanted, and it ended with: %s", code, short(err))
	}
	if err := ws.SetReadDeadline(time.Now().Add(closedWithin)); err != nil {
		return err
	}
	// Read below the library, which answers a second read with the same error.
	_, err = io.Copy(io.Discard, ws.NetConn())
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		return fmt.Errorf("the connection is still open %s after the close frames", closedWithin)
	}
	return nil
}

// short is an error without the addresses of a connection.
func short(err error) string {
	if err == nil {
		return "a message"
	}
	var failed *net.OpError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return err.Error()
}
