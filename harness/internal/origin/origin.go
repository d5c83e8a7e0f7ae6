// Package origin simulates an AI API behind the gateway: models that can be
// cached, and chats that are slow, dear and limited. Delays are log-normal and
// drawn from a seed by the order of arrival; it counts what it served, so that
// what a gateway claims can be checked.
package origin

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/spf13/pflag"
	"github.com/valyala/fasthttp"

	"github.com/gatelab/gatelab/internal/webguard"
)

// BodyHeader holds 16 hex digits, the xxhash64 of the body, on every response
// that has one and is not streamed.
const BodyHeader = "X-Origin-Body"

// Config is how the API behaves.
type Config struct {
	Listen          string        // host:port
	Models          int           // ids 1 to Models exist
	Median, P99     time.Duration // delay of models and lists; both 0 is none
	ChatMedian      time.Duration // delay of a chat, of the whole stream if it is one
	ChatP99         time.Duration
	ChatConcurrency int           // chats at a time, one more is answered 429; 0 is no limit
	FirstToken      time.Duration // from a stream's request to its first event; with TokenRate only
	TokenRate       float64       // events per second of a stream; 0: the chat's delay is spread over them
	BreakRate       float64       // share of streams that break off in the middle
	ErrorRate       float64       // share of requests answered 500
	BodyBytes       int           // size of a model
	CacheMaxAge     time.Duration // Cache-Control: max-age; 0 sends none
	Seed            uint64
	Traces          string // URL of a collector (OTLP over HTTP) that gets a span of every sampled request; empty: none
}

// Flags adds a flag for each field, with its default.
func (c *Config) Flags(fs *pflag.FlagSet) {
	fs.StringVar(&c.Listen, "listen", ":9000", "`host:port` to serve on")
	fs.IntVar(&c.Models, "models", 100, "how many models there are")
	fs.DurationVar(&c.Median, "median", 0, "median delay of models and lists")
	fs.DurationVar(&c.P99, "p99", 0, "99th percentile of that delay")
	fs.DurationVar(&c.ChatMedian, "chat-median", 0, "median delay of chats")
	fs.DurationVar(&c.ChatP99, "chat-p99", 0, "99th percentile of that delay")
	fs.IntVar(&c.ChatConcurrency, "chat-concurrency", 0, "chats at a time, one more is answered 429; 0 is no limit")
	fs.DurationVar(&c.FirstToken, "first-token", 0, "time to the first token of a stream; needs --token-rate")
	fs.Float64Var(&c.TokenRate, "token-rate", 0, "tokens per second of a stream; 0 spreads the delay of the chat over its tokens")
	fs.Float64Var(&c.BreakRate, "break-rate", 0, "share of streams that break off in the middle, 0 to 1")
	fs.Float64Var(&c.ErrorRate, "error-rate", 0, "share of requests answered 500, 0 to 1")
	fs.IntVar(&c.BodyBytes, "body-bytes", 1024, "size of a model's body")
	fs.DurationVar(&c.CacheMaxAge, "cache-max-age", 0, "Cache-Control: max-age, in whole seconds; 0 sends none")
	fs.Uint64Var(&c.Seed, "seed", 1, "of delays, errors and bodies")
	fs.StringVar(&c.Traces, "traces", "", "`URL` of an OTLP collector for spans of sampled requests; empty sends none")
}

// Validate says which setting is not allowed, and what is.
func (c *Config) Validate() error {
	switch {
	case c.Models < 1:
		return fmt.Errorf("models: %d is not allowed: want 1 or more", c.Models)
	case c.Median < 0 || c.P99 < c.Median:
		return fmt.Errorf("p99: %s with a median of %s is not allowed: want 0 <= median <= p99", c.P99, c.Median)
	case c.ChatMedian < 0 || c.ChatP99 < c.ChatMedian:
		return fmt.Errorf("chat-p99: %s with a chat-median of %s is not allowed: want 0 <= chat-median <= chat-p99", c.ChatP99, c.ChatMedian)
	case c.ChatConcurrency < 0:
		return fmt.Errorf("chat-concurrency: %d is not allowed: want 0 or more", c.ChatConcurrency)
	case !(c.TokenRate >= 0 && c.TokenRate <= maxTokenRate):
		return fmt.Errorf("token-rate: %v is not allowed: want 0 to %d", c.TokenRate, maxTokenRate)
	case c.FirstToken < 0 || c.FirstToken > 0 && c.TokenRate == 0:
		return fmt.Errorf("first-token: %s with a token-rate of %v is not allowed: want 0 or more, and a token-rate", c.FirstToken, c.TokenRate)
	case !(c.BreakRate >= 0 && c.BreakRate <= 1):
		return fmt.Errorf("break-rate: %v is not allowed: want 0 to 1", c.BreakRate)
	case !(c.ErrorRate >= 0 && c.ErrorRate <= 1):
		return fmt.Errorf("error-rate: %v is not allowed: want 0 to 1", c.ErrorRate)
	case c.BodyBytes < 0 || c.BodyBytes > 16<<20:
		return fmt.Errorf("body-bytes: %d is not allowed: want 0 to %d", c.BodyBytes, 16<<20)
	case c.CacheMaxAge < 0 || c.CacheMaxAge%time.Second != 0:
		return fmt.Errorf("cache-max-age: %s is not allowed: want whole seconds, 0 or more", c.CacheMaxAge)
	case c.Traces != "" && !isURL(c.Traces):
		return fmt.Errorf("traces: %q is not allowed: want a URL such as http://127.0.0.1:4318/v1/traces", c.Traces)
	}
	return nil
}

func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// Origin is the API. Its methods are safe for concurrent use.
type Origin struct {
	config Config
	counts counts
	ill    atomic.Pointer[Illness] // nil: well
	bodies sync.Map                // of /bytes: length -> []byte
	models delay
	chats  delay
	guard  *webguard.Guard // of what is not the API: /stats, /reset, /illness
	done   chan struct{}   // closed when no delay is worth waiting for
	tracer *tracer         // nil: no spans are sent
}

// New makes an API; c has been validated.
func New(c Config) *Origin {
	guard, err := webguard.New(webguard.Config{Listen: c.Listen})
	if err != nil {
		panic(err) // there are no entries that could be wrong
	}
	o := &Origin{
		config: c, guard: guard,
		models: delay{c.Median, c.P99},
		chats:  delay{c.ChatMedian, c.ChatP99},
		done:   make(chan struct{}),
	}
	if c.Traces != "" {
		o.tracer = newTracer(c.Traces)
	}
	return o
}

// delay is a log-normal distribution.
type delay struct{ median, p99 time.Duration }

// z99 is the standard normal distribution's 99th percentile.
const z99 = 2.3263478740408408

// at is the quantile u, above 0 and below 1.
func (d delay) at(u float64) time.Duration {
	if d.median <= 0 || d.p99 <= d.median {
		return d.median
	}
	sigma := math.Log(float64(d.p99)/float64(d.median)) / z99
	z := math.Sqrt2 * math.Erfinv(2*u-1)
	return time.Duration(float64(d.median) * math.Exp(sigma*z))
}

// draw is the i-th of a request's random numbers, above 0 and below 1. They
// depend on the seed and the order of arrival alone.
func (o *Origin) draw(arrival, i uint64) float64 {
	x := mix(mix(o.config.Seed) + 2*arrival + i)
	return (float64(x>>11) + 0.5) / (1 << 53)
}

// mix is the finalizer of SplitMix64: neighbours in, strangers out.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// wait sleeps; false when the origin is being shut down.
func (o *Origin) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-o.done:
		return false
	}
}

// answer writes a JSON body with its hash and counts the response.
func (o *Origin) answer(ctx *fasthttp.RequestCtx, e endpoint, status int, body []byte) {
	ctx.SetStatusCode(status)
	ctx.SetContentType("application/json")
	ctx.Response.Header.Set(BodyHeader, hash(body))
	ctx.Response.SetBodyRaw(body)
	o.counts.add(e, status, len(body))
}

// fail answers with the API's form of an error.
func (o *Origin) fail(ctx *fasthttp.RequestCtx, e endpoint, status int, message string) {
	b := append([]byte(`{"error":{"message":`), quote(message)...)
	b = strconv.AppendInt(append(b, `,"code":`...), int64(status), 10)
	o.answer(ctx, e, status, append(b, "}}"...))
}

// hash is 16 hex digits.
func hash(body []byte) string {
	const digits = "0123456789abcdef"
	sum := xxhash.Sum64(body)
	var out [16]byte
	for i := range out {
		out[i] = digits[sum>>(60-4*i)&15]
	}
	return string(out[:])
}
