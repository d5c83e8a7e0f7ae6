package grpcweb

import (
	"bytes"
	"encoding/base64"

	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/gateway/internal/plugin"
)

// grpcWeb makes requests of gRPC of those of gRPC-Web, and the reverse of answers.
type grpcWeb struct{ config }

// kinds are the content types, and whether the content is in base64.
var kinds = map[string]bool{
	"application/grpc-web": false, "application/grpc-web+proto": false,
	"application/grpc-web-text": true, "application/grpc-web-text+proto": true,
}

// kindKey is the key under which the content type that the client sent is kept in the
// request's user values.
type kindKey struct{}

const (
	transcoding  = "transcoding requests require a .proto file defining the service" // Kong's words
	grpcType     = "application/grpc"
	allowedNames = "content-type,x-grpc-web,x-user-agent,grpc-timeout"
)

var (
	badKind   = plugin.Message(transcoding)
	badBase64 = plugin.Message("the body is not base64")
	tooLarge  = plugin.Message("Request size limit exceeded")
)

// ReadsRequestBody is plugin.RequestBodyReader's: content in base64 is read whole.
func (g *grpcWeb) ReadsRequestBody() bool { return true }

// Access answers OPTIONS, and makes the request one of gRPC.
func (g *grpcWeb) Access(x *plugin.Exchange) (answered bool) {
	in, out := &x.Ctx.Request, &x.Ctx.Response
	if x.Ctx.IsOptions() {
		g.allow(x)
		out.Header.SetContentType("application/grpc-web-text+proto")
		out.Header.Set(fasthttp.HeaderAccessControlAllowMethods, "POST")
		out.Header.Set(fasthttp.HeaderAccessControlAllowHeaders, allowedNames)
		out.SetBodyString("OK")
		return true
	}
	kind, _, _ := bytes.Cut(in.Header.ContentType(), []byte(";"))
	kind = bytes.TrimSpace(kind)
	text, known := kinds[string(bytes.ToLower(kind))]
	if !known {
		g.allow(x)
		plugin.Answer(out, fasthttp.StatusBadRequest, badKind)
		return true
	}
	x.Ctx.SetUserValue(kindKey{}, string(kind))
	in.Header.SetContentType(grpcType)
	if x.Route != nil && x.Route.StripPath && !g.PassStrippedPath && x.Rewrite.Path == "" {
		path, _, _ := bytes.Cut(in.Header.RequestURI(), []byte("?"))
		x.Rewrite.Path = string(path)
	}
	return text && g.decode(x)
}

// decode puts the request's content in the place of its base64, of which there may
// be several pieces, each with its own padding.
func (g *grpcWeb) decode(x *plugin.Exchange) (answered bool) {
	out := &x.Ctx.Response
	body, whole, err := x.RequestBody(0)
	content, ok := decodePieces(body)
	switch {
	case err != nil:
		plugin.AnswerBodyError(out, err)
	case !whole:
		plugin.Answer(out, fasthttp.StatusRequestEntityTooLarge, tooLarge)
	case !ok:
		plugin.Answer(out, fasthttp.StatusBadRequest, badBase64)
	default:
		x.Ctx.Request.SetBodyRaw(content)
		x.Ctx.Request.Header.SetContentLength(len(content))
		return false
	}
	g.allow(x) // the header filter of a plugin that has answered does not run
	return true
}

func decodePieces(text []byte) ([]byte, bool) {
	if bytes.ContainsAny(text, "\r\n") { // lines, as of MIME; the places of padding are counted without their ends
		text = bytes.Map(func(r rune) rune {
			if r == '\r' || r == '\n' {
				return -1
			}
			return r
		}, text)
	}
	out := make([]byte, 0, base64.StdEncoding.DecodedLen(len(text)))
	for len(text) > 0 {
		end := len(text)
		if i := bytes.IndexByte(text, '='); i >= 0 {
			end = min((i/4+1)*4, len(text))
		}
		var err error
		if out, err = base64.StdEncoding.AppendDecode(out, text[:end]); err != nil {
			return nil, false
		}
		text = text[end:]
	}
	return out, true
}

func (g *grpcWeb) allow(x *plugin.Exchange) {
	if g.AllowOriginHeader != "" {
		x.Ctx.Response.Header.Set(fasthttp.HeaderAccessControlAllowOrigin, g.AllowOriginHeader)
	}
}

// HeaderFilter makes the upstream's answer one of gRPC-Web: the trailers follow the
// messages as one more.
func (g *grpcWeb) HeaderFilter(x *plugin.Exchange) {
	g.allow(x)
	kind, _ := x.Ctx.UserValue(kindKey{}).(string)
	r := &x.Ctx.Response
	if kind == "" || !x.Proxied || !bytes.HasPrefix(r.Header.ContentType(), []byte(grpcType)) {
		return // the gateway's own answers have their status in the header
	}
	r.Header.SetContentType(kind)
	text := kinds[string(bytes.ToLower([]byte(kind)))]
	if r.IsBodyStream() {
		s := &stream{src: r.BodyStream(), text: text}
		x.OnTrailer = s.trailer
		plugin.SetBodyStream(r, s, -1)
		return
	}
	// An answer of a header alone, which has the status.
	s := &stream{text: text}
	for _, name := range []string{"Grpc-Status", "Grpc-Message"} {
		if v := r.Header.Peek(name); len(v) > 0 {
			s.trailer(name, string(v))
		}
	}
	r.SetBodyRaw(s.lastFrame())
	r.Header.SetContentLength(len(r.Body()))
}

var (
	_ plugin.AccessPhase       = (*grpcWeb)(nil)
	_ plugin.HeaderFilterPhase = (*grpcWeb)(nil)
	_ plugin.RequestBodyReader = (*grpcWeb)(nil)
)
