package parity

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
)

// tunnels are what may be spoiled of a gateway's.
type tunnels struct {
	noTunnel    bool                // there are none
	anyProtocol bool                // a client may ask for any protocol
	stays       bool                // the client's connection does not end with the origin's
	handshake   func(string) string // changes the origin's answer
	frames      func([]byte) []byte // changes what the origin sends; nil: the tunnel ends
}

// tunnel passes on what asks to switch protocols, as the gateway's policy says; false: it is a request as any other.
func (g *gateway) tunnel(w http.ResponseWriter, r *http.Request) bool {
	asked := r.Header.Get("Upgrade")
	if !g.policy.WebSocket || asked == "" || g.noTunnel {
		return false
	}
	if !strings.EqualFold(asked, "websocket") && !g.anyProtocol {
		return false
	}
	client, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return false
	}
	defer client.Close()
	origin, err := net.Dial("tcp", g.origin)
	if err != nil {
		return true
	}
	defer origin.Close()
	if err := r.Write(origin); err != nil {
		return true
	}
	left := make(chan struct{})
	go func() {
		defer close(left)
		_, _ = io.Copy(origin, buffered)
		origin.Close() // the client has ended it
	}()
	from := bufio.NewReader(origin)
	head := true
	b := make([]byte, 128<<10)
	for {
		n, err := from.Read(b)
		out := b[:n]
		switch {
		case head && g.handshake != nil:
			out = []byte(g.handshake(string(out)))
		case !head && n > 0 && g.frames != nil:
			out = g.frames(out)
		}
		head = false
		if _, failed := client.Write(out); failed != nil || err != nil || out == nil {
			if g.stays {
				<-left
			}
			return true
		}
	}
}

// tunnelled makes of a request that is not passed through a tunnel one that asks for none.
func (g *gateway) tunnelled(r *http.Request) {
	if g.policy.WebSocket {
		r.Header.Del("Upgrade")
		r.Header.Del("Connection")
	}
}

// Of frames, RFC 6455: the first byte of one that is whole.
const (
	textFrame  = 0x81
	closeFrame = 0x88
	pongFrame  = 0x8a
)

func inTunnels() []misbehaviour {
	return []misbehaviour{
		{"no tunnel", "websocket", func(g *gateway) { g.noTunnel = true }, "messages: status 426 (1 of 1), want 101"},
		{"a tunnel for any protocol", "websocket", func(g *gateway) { g.anyProtocol = true },
			"another protocol is no tunnel: status 101 (1 of 1), want 426"},
		{"a handshake of its own", "websocket", func(g *gateway) {
			g.handshake = func(head string) string {
				return strings.Replace(head, "Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept: x", 1)
			}
		}, "messages: the handshake is not one"},
		{"a byte of a message", "websocket", func(g *gateway) {
			g.frames = func(b []byte) []byte {
				b[len(b)-1] ^= 1
				return b
			}
		}, "messages: a text message of 5 bytes"},
		{"a limit on messages", "websocket", func(g *gateway) {
			g.frames = func(b []byte) []byte {
				if len(b) > 1000 {
					return nil
				}
				return b
			}
		}, "messages: a binary message of 70000 bytes has no echo"},
		{"pongs are kept back", "websocket", func(g *gateway) {
			g.frames = func(b []byte) []byte {
				if len(b) >= 2 && b[0] == pongFrame {
					return b[2+int(b[1]):]
				}
				return b
			}
		}, `messages: a ping of "gatelab" was answered by the pongs []`},
		{"close frames are kept back", "websocket", func(g *gateway) {
			g.frames = func(b []byte) []byte {
				if b[0] == closeFrame {
					return nil
				}
				return b
			}
		}, "the client ends it: close code 4001 is wanted, and it ended with"},
		{"a close code of its own", "websocket", func(g *gateway) {
			g.frames = func(b []byte) []byte {
				if len(b) > 4 && b[0] == closeFrame {
					b[2], b[3] = 3, 232 // 1000
				}
				return b
			}
		}, "the origin ends it: close code 4002 is wanted, and it ended with"},
		{"a connection that outlives its close frames", "idle-websockets", func(g *gateway) { g.stays = true },
			"messages: the connection is still open 3s after the close frames"},
		{"messages become binary", "idle-websockets", func(g *gateway) {
			g.frames = func(b []byte) []byte {
				if b[0] == textFrame {
					b[0]++
				}
				return b
			}
		}, "came back as a binary one"},
	}
}
