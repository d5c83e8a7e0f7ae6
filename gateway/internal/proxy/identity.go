package proxy

import (
	"io"
	"net"
)

// withoutChunks has a body of unknown length end with the connection: an
// HTTP/1.0 client cannot read chunks, which are all that the server's codec
// has for it.
func (v *visit) withoutChunks() {
	ctx := v.Ctx
	r := &ctx.Response
	r.Header.Del("Transfer-Encoding")
	r.Header.SetContentLength(-2)
	r.Header.SetConnectionClose()
	head := append([]byte(nil), r.Header.Header()...)
	body := r.BodyStream()
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(client net.Conn) {
		if _, err := client.Write(head); err == nil {
			_, _ = io.Copy(struct{ io.Writer }{client}, body)
		}
		_ = r.CloseBodyStream() // finishes the visit
	})
}
