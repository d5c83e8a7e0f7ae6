package origin

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
)

// The paths of what comparisons of gateways ask: an echo, and bodies of any length.
const (
	echoPath  = "/anything"
	bytesPath = "/bytes/"
)

// maxEchoed is the longest body that is echoed, maxBytes the longest that is made.
const (
	maxEchoed = 2 << 20
	maxBytes  = 16 << 20
)

// Echo is the answer of /anything: what the origin was sent, in the shape that go-httpbin gave it.
type Echo struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"` // path and query, as they came
	Origin  string            `json:"origin"`
	Headers map[string]string `json:"headers"` // canonical names; several lines are joined with ", "
	Data    string            `json:"data,omitempty"`
	JSON    json.RawMessage   `json:"json,omitempty"` // the body, if it is JSON
}

// serveEcho answers any method. Of the query it reads vary and max_age, which become headers of the answer.
func (o *Origin) serveEcho(ctx *fasthttp.RequestCtx) {
	body := ctx.PostBody()
	if len(body) > maxEchoed {
		o.fail(ctx, echo, fasthttp.StatusRequestEntityTooLarge, "want at most 2 MiB")
		return
	}
	e := Echo{
		Method: string(ctx.Method()), URL: string(ctx.Request.Header.RequestURI()), Origin: ctx.RemoteIP().String(),
		Headers: map[string]string{}, Data: string(body),
	}
	for k, v := range ctx.Request.Header.All() {
		name := string(k)
		if had, ok := e.Headers[name]; ok {
			e.Headers[name] = had + ", " + string(v)
			continue
		}
		e.Headers[name] = string(v)
	}
	if len(body) > 0 && json.Valid(body) {
		e.JSON = body
	}
	out, err := json.Marshal(e)
	if err != nil {
		o.fail(ctx, echo, fasthttp.StatusInternalServerError, err.Error())
		return
	}
	if vary := ctx.QueryArgs().Peek("vary"); len(vary) > 0 {
		ctx.Response.Header.SetBytesV("Vary", vary)
	}
	if age := ctx.QueryArgs().GetUintOrZero("max_age"); age > 0 {
		ctx.Response.Header.Set("Cache-Control", "max-age="+strconv.Itoa(age))
	}
	o.answer(ctx, echo, fasthttp.StatusOK, out)
}

// serveBytes answers with a body of the length in the path, always the same one.
func (o *Origin) serveBytes(ctx *fasthttp.RequestCtx, length string) {
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 || n > maxBytes {
		o.fail(ctx, echo, fasthttp.StatusNotFound, "want /bytes/0 to /bytes/"+strconv.Itoa(maxBytes))
		return
	}
	o.cacheable(ctx, echo, o.bytesBody(n))
}

// bytesBody is made once for each length: making it would cost more than sending it.
func (o *Origin) bytesBody(n int) []byte {
	if body, ok := o.bodies.Load(n); ok {
		return body.([]byte) //nolint:forcetypeassert // nothing else is stored
	}
	body := o.pad(make([]byte, 0, n), n, n)
	if n == 10<<10 || n <= 1<<20 && n&(n-1) == 0 { // few lengths: a client must not fill the memory
		o.bodies.Store(n, body)
	}
	return body
}

func isEcho(path string) bool {
	return path == echoPath || strings.HasPrefix(path, echoPath+"/")
}
