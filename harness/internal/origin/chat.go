package origin

import (
	"bufio"
	"encoding/json"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// The events of a stream, when the request does not say (max_tokens), and at
// most.
const (
	defaultTokens = 16
	maxTokens     = 4096
)

// chatRequest is what the simulator reads of a chat.
type chatRequest struct {
	Model     string            `json:"model"`
	Messages  []json.RawMessage `json:"messages"`
	Stream    bool              `json:"stream"`
	MaxTokens int               `json:"max_tokens"`
}

// serveChat answers 429 at once when all places are taken: a real API's limit
// costs its caller no time either.
func (o *Origin) serveChat(ctx *fasthttp.RequestCtx) {
	var r chatRequest
	if err := json.Unmarshal(ctx.PostBody(), &r); err != nil || len(r.Messages) == 0 {
		o.fail(ctx, chat, fasthttp.StatusBadRequest, "want JSON with messages")
		return
	}
	if !o.counts.enter(o.config.ChatConcurrency) {
		ctx.Response.Header.Set("Retry-After", "1")
		o.fail(ctx, chat, fasthttp.StatusTooManyRequests, "too many chats at a time: at most "+strconv.Itoa(o.config.ChatConcurrency))
		return
	}
	if r.MaxTokens <= 0 {
		r.MaxTokens = defaultTokens
	}
	r.MaxTokens = min(r.MaxTokens, maxTokens)
	if r.Stream {
		o.streamChat(ctx, r) // leaves when the last event is sent
		return
	}
	defer o.counts.leave()
	if o.begin(ctx, chat, o.chats) {
		o.answer(ctx, chat, fasthttp.StatusOK, completion(r))
	}
}

// streamChat sends an event for each token, the delay spread over them.
func (o *Origin) streamChat(ctx *fasthttp.RequestCtx, r chatRequest) {
	n := o.counts.arrive()
	if o.draw(n, 1) < o.config.ErrorRate {
		o.counts.leave()
		o.fail(ctx, chat, fasthttp.StatusInternalServerError, "simulated error")
		return
	}
	pause := o.chats.at(o.draw(n, 0)) / time.Duration(r.MaxTokens)
	ctx.SetContentType("text/event-stream")
	ctx.Response.Header.Set("Cache-Control", "no-cache")
	ctx.Response.ImmediateHeaderFlush = true
	o.counts.add(chat, fasthttp.StatusOK, 0)
	ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
		defer o.counts.leave()
		bytes, whole := 0, true
		for i := 0; i <= r.MaxTokens && whole; i++ {
			event := []byte("data: [DONE]\n\n")
			if i < r.MaxTokens {
				whole = o.wait(pause)
				event = token(r.Model, i)
			}
			// A failed flush is a caller that went away.
			if k, err := w.Write(event); err == nil {
				bytes += k
			}
			whole = w.Flush() == nil && whole
		}
		o.counts.stream(whole, bytes)
	})
}

func token(model string, i int) []byte {
	b := append([]byte(`data: {"object":"chat.completion.chunk","model":`), quote(model)...)
	b = append(b, `,"choices":[{"index":0,"delta":{"content":"token-`...)
	b = strconv.AppendInt(b, int64(i), 10)
	return append(b, "\"}}]}\n\n"...)
}

func completion(r chatRequest) []byte {
	b := append([]byte(`{"object":"chat.completion","model":`), quote(r.Model)...)
	b = append(b, `,"choices":[{"index":0,"message":{"role":"assistant","content":"a simulated answer"},`+
		`"finish_reason":"stop"}],"usage":{"completion_tokens":`...)
	b = strconv.AppendInt(b, int64(r.MaxTokens), 10)
	return append(b, "}}"...)
}

// quote is s as JSON.
func quote(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil { // a string is always JSON
		return []byte(`""`)
	}
	return b
}
