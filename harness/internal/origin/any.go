package origin

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// anyPath begins the paths of an API of which only the requests are known: every method and path from it on has an answer.
const anyPath = "/v1/any"

// foundBytes is the room for the numbers of a path in a body: the load generator looks at no more than 4,096 bytes.
const foundBytes = 2048

// serveAny answers 200 with a body of BodyBytes that lists the numbers in the path and the query as models, so that a client that
// asked for one of them sees that the response belongs to the request.
func (o *Origin) serveAny(ctx *fasthttp.RequestCtx) {
	if !o.begin(ctx, anything, o.models) {
		return
	}
	b := append(make([]byte, 0, max(o.config.BodyBytes, 256)), `{"object":"any","method":`...)
	b = append(b, quote(string(ctx.Method()))...)
	b = append(b, `,"found":[`...)
	b = appendNumbers(b, ctx.RequestURI()[len(anyPath):])
	b = append(b, `],"description":"`...)
	const end = `"}`
	b = o.pad(b, 0, o.config.BodyBytes-len(end))
	o.answer(ctx, anything, fasthttp.StatusOK, append(b, end...))
}

// appendNumbers adds {"id":"model-7"} for each run of digits in a URI.
func appendNumbers(b, uri []byte) []byte {
	first := len(b)
	for i := 0; i < len(uri) && len(b)-first < foundBytes; {
		end := i
		for end < len(uri) && uri[end] >= '0' && uri[end] <= '9' {
			end++
		}
		if end == i {
			i++
			continue
		}
		if len(b) > first {
			b = append(b, ',')
		}
		b = append(b, `{"id":"model-`...)
		b = append(b, uri[i:min(end, i+maxDigits)]...)
		b = append(b, `"}`...)
		i = end
	}
	return b
}

// maxDigits is more than an id has.
const maxDigits = 20

// hasAny says whether a request is for the API that has every path. The URI as it was sent counts, because its rest is answered.
func hasAny(ctx *fasthttp.RequestCtx) bool {
	rest, ok := bytes.CutPrefix(ctx.RequestURI(), []byte(anyPath))
	return ok && (len(rest) == 0 || rest[0] == '/' || rest[0] == '?')
}
