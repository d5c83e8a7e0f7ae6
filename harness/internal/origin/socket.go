package origin

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"github.com/valyala/fasthttp"
)

// socketPath is a WebSocket that sends back each message as it came. With ?close=CODE it answers the first message with a close frame of
// that code instead.
const socketPath = "/websocket"

// maxMessage is the longest message that is echoed, in bytes.
const maxMessage = 1 << 20

// closeWithin bounds the writing of a close frame.
const closeWithin = time.Second

// upgrader takes clients of any page: the API is behind gateways.
var upgrader = websocket.Upgrader{ReadBufferSize: 4 << 10, WriteBufferSize: 4 << 10, CheckOrigin: func(*http.Request) bool { return true }}

// serveSocket switches to the protocol that is asked for. A WebSocket echoes messages, and any other protocol bytes, so that a gateway
// which passes on more than WebSockets is seen to do so. A request without Upgrade is answered with 426.
func (o *Origin) serveSocket(ctx *fasthttp.RequestCtx) {
	o.counts.arrive()
	asked := string(ctx.Request.Header.Peek("Upgrade"))
	switch {
	case asked == "" || !ctx.Request.Header.ConnectionUpgrade():
		ctx.Response.Header.Set("Upgrade", "websocket")
		o.fail(ctx, socket, fasthttp.StatusUpgradeRequired, "want a WebSocket")
	case strings.EqualFold(asked, "websocket"):
		o.upgrade(ctx)
	default:
		o.counts.add(socket, fasthttp.StatusSwitchingProtocols, 0)
		ctx.HijackSetNoResponse(true)
		ctx.Hijack(func(c net.Conn) {
			if _, err := io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+asked+"\r\n\r\n"); err == nil {
				_, _ = io.Copy(c, c) // until the client has ended it
			}
		})
	}
}

// upgrade makes the connection a WebSocket, or refuses a handshake that is not one.
func (o *Origin) upgrade(ctx *fasthttp.RequestCtx) {
	// Copies, because the connection outlives fasthttp's request.
	asked := http.Request{Method: http.MethodGet, Host: string(ctx.Host()), Header: http.Header{}}
	for _, name := range []string{"Connection", "Upgrade", "Sec-WebSocket-Version", "Sec-WebSocket-Key"} {
		asked.Header.Set(name, string(ctx.Request.Header.Peek(name)))
	}
	if asked.Header.Get("Sec-WebSocket-Version") != "13" || asked.Header.Get("Sec-WebSocket-Key") == "" {
		o.fail(ctx, socket, fasthttp.StatusBadRequest, "want Sec-WebSocket-Version 13 and Sec-WebSocket-Key")
		return
	}
	code := ctx.QueryArgs().GetUintOrZero("close")
	o.counts.add(socket, fasthttp.StatusSwitchingProtocols, 0)
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(c net.Conn) {
		ws, err := upgrader.Upgrade(&hijacked{conn: c, header: http.Header{}}, &asked, nil)
		if err != nil {
			return // it has been told
		}
		defer ws.Close()
		over := make(chan struct{})
		defer close(over)
		go func() {
			select {
			case <-o.done:
				ws.Close() // ends the read
			case <-over:
			}
		}()
		echoMessages(ws, code)
	})
}

// echoMessages sends every message back, until one of the two ends the connection. The library answers pings, and close frames with the
// code that they carry.
func echoMessages(ws *websocket.Conn, code int) {
	ws.SetReadLimit(maxMessage)
	for {
		kind, message, err := ws.ReadMessage()
		if err != nil {
			return
		}
		if code != 0 {
			said := websocket.FormatCloseMessage(code, "as asked: "+strconv.Itoa(code))
			if ws.WriteControl(websocket.CloseMessage, said, time.Now().Add(closeWithin)) == nil {
				_, _, _ = ws.ReadMessage() // the client's own close frame
			}
			return
		}
		if ws.WriteMessage(kind, message) != nil {
			return
		}
	}
}

// hijacked is a connection that was taken from fasthttp, as net/http's handlers take theirs.
type hijacked struct {
	conn   net.Conn
	header http.Header
}

// Header implements http.ResponseWriter.
func (h *hijacked) Header() http.Header { return h.header }

// Write implements http.ResponseWriter.
func (h *hijacked) Write(b []byte) (int, error) { return h.conn.Write(b) }

// WriteHeader implements http.ResponseWriter.
func (h *hijacked) WriteHeader(status int) {
	_, _ = io.WriteString(h.conn, "HTTP/1.1 "+strconv.Itoa(status)+" "+http.StatusText(status)+"\r\nConnection: close\r\n\r\n")
}

// Hijack implements http.Hijacker.
func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), nil
}
