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
	maxTokenRate  = 100_000 // per second
	bytesPerToken = 4       // of a prompt
)

// chatRequest is what the simulator reads of a chat.
type chatRequest struct {
	Model     string            `json:"model"`
	Messages  []json.RawMessage `json:"messages"`
	Stream    bool              `json:"stream"`
	MaxTokens int               `json:"max_tokens"`
	// StreamOptions has usage sent as a stream's last event.
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

// promptTokens is what the prompt costs.
func (r *chatRequest) promptTokens() int {
	bytes := 0
	for _, m := range r.Messages {
		bytes += len(m)
	}
	return (bytes + bytesPerToken - 1) / bytesPerToken
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
		ctx.Response.Header.Set("X-RateLimit-Limit-Requests", strconv.Itoa(o.config.ChatConcurrency))
		ctx.Response.Header.Set("X-RateLimit-Remaining-Requests", "0")
		ctx.Response.Header.Set("X-RateLimit-Reset-Requests", "1s")
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
		o.counts.tokens(r.promptTokens(), r.MaxTokens)
		o.answer(ctx, chat, fasthttp.StatusOK, completion(r))
	}
}

// streamChat sends an event for each token: at the token rate, else with the delay spread over them.
func (o *Origin) streamChat(ctx *fasthttp.RequestCtx, r chatRequest) {
	n := o.counts.arrive()
	if o.draw(n, 1) < o.config.ErrorRate {
		o.counts.leave()
		o.fail(ctx, chat, fasthttp.StatusInternalServerError, "simulated error")
		return
	}
	pause := o.chats.at(o.draw(n, 0)) / time.Duration(r.MaxTokens)
	first := pause
	if o.config.TokenRate > 0 {
		first = o.config.FirstToken
		pause = time.Duration(float64(time.Second) / o.config.TokenRate)
	}
	breaksAt := -1
	if o.draw(n, 2) < o.config.BreakRate {
		breaksAt = r.MaxTokens / 2
	}
	ctx.SetContentType("text/event-stream")
	ctx.Response.Header.Set("Cache-Control", "no-cache")
	ctx.Response.ImmediateHeaderFlush = true
	o.counts.add(chat, fasthttp.StatusOK, 0)
	conn := ctx.Conn()
	ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
		defer o.counts.leave()
		bytes, whole := 0, true
		send := func(event []byte) {
			// A failed flush is a caller that went away.
			if k, err := w.Write(event); err == nil {
				bytes += k
			}
			whole = w.Flush() == nil && whole
		}
		wait, sent := first, 0
		for ; sent < r.MaxTokens && whole; sent++ {
			if sent == breaksAt {
				_ = conn.Close()
				whole = false
				break
			}
			whole = o.wait(wait)
			wait = pause
			send(token(r.Model, sent))
		}
		if whole && r.StreamOptions.IncludeUsage {
			send(append(append([]byte(`data: {"object":"chat.completion.chunk","choices":[],"usage":`), usage(r)...), "}\n\n"...))
		}
		if whole {
			send([]byte("data: [DONE]\n\n"))
		}
		o.counts.tokens(r.promptTokens(), sent)
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
		`"finish_reason":"stop"}],"usage":`...)
	return append(append(b, usage(r)...), '}')
}

// usage is what a whole answer costs.
func usage(r chatRequest) []byte {
	prompt := r.promptTokens()
	b := strconv.AppendInt([]byte(`{"prompt_tokens":`), int64(prompt), 10)
	b = strconv.AppendInt(append(b, `,"completion_tokens":`...), int64(r.MaxTokens), 10)
	b = strconv.AppendInt(append(b, `,"total_tokens":`...), int64(prompt+r.MaxTokens), 10)
	return append(b, '}')
}

// quote is s as JSON.
func quote(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil { // a string is always JSON
		return []byte(`""`)
	}
	return b
}
