package origin

import (
	"strconv"
	"sync"
)

// endpoint names what was asked for, in Stats.
type endpoint string

const (
	models   endpoint = "models" // the list
	model    endpoint = "model"  // one of them
	chat     endpoint = "chat"
	anything endpoint = "any"  // of the API that has every path
	echo     endpoint = "echo" // /anything and /bytes
	socket   endpoint = "websocket"
	other    endpoint = "other" // what the API does not have
)

// Stats is what was served since the start or the last reset.
type Stats struct {
	Requests         uint64                       `json:"requests"`
	Bytes            uint64                       `json:"bytes"`     // of bodies
	Endpoints        map[string]map[string]uint64 `json:"endpoints"` // models, model, chat, any, echo, websocket, other: by status
	Streams          uint64                       `json:"streams"`   // chats answered as events, also counted above
	StreamsBroken    uint64                       `json:"streams_broken"`
	PromptTokens     uint64                       `json:"prompt_tokens"`     // of chats that were answered
	CompletionTokens uint64                       `json:"completion_tokens"` // likewise; of a stream those that were sent
	NotModified      uint64                       `json:"not_modified"`
	Ill              uint64                       `json:"ill"` // requests that an illness disturbed
	ChatInFlight     int                          `json:"chat_in_flight"`
	ChatInFlightMax  int                          `json:"chat_in_flight_max"`
	Traced           uint64                       `json:"traced"`     // requests that belong to a trace; counted only with Config.Traces
	Sampled          uint64                       `json:"sampled"`    // of Traced, those of which a span was to be sent
	SpansLost        uint64                       `json:"spans_lost"` // of Sampled, those that could not be sent
}

// counts are the figures behind Stats. One lock for all of them costs less than
// a microsecond a request, and keeps them consistent with each other.
type counts struct {
	mu       sync.Mutex
	arrivals uint64
	served   map[endpoint]map[int]uint64
	bytes    uint64
	streams  uint64
	broken   uint64
	prompt   uint64  // tokens
	answered uint64  // tokens
	ill      uint64  // requests that an illness disturbed
	credit   float64 // of requests towards the next one to disturb
	chats    int
	chatsMax int
}

// arrive numbers a request from 0.
func (c *counts) arrive() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.arrivals
	c.arrivals++
	return n
}

func (c *counts) add(e endpoint, status, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.served == nil {
		c.served = make(map[endpoint]map[int]uint64, 4)
	}
	if c.served[e] == nil {
		c.served[e] = make(map[int]uint64, 4)
	}
	c.served[e][status]++
	c.bytes += uint64(bytes)
}

// enter takes one of limit places for a chat; 0 is no limit.
func (c *counts) enter(limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if limit > 0 && c.chats >= limit {
		return false
	}
	c.chats++
	c.chatsMax = max(c.chatsMax, c.chats)
	return true
}

func (c *counts) leave() {
	c.mu.Lock()
	c.chats--
	c.mu.Unlock()
}

func (c *counts) stream(whole bool, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.streams++
	c.bytes += uint64(bytes)
	if !whole {
		c.broken++
	}
}

func (c *counts) tokens(prompt, completion int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.prompt += uint64(prompt)       //nolint:gosec // not negative
	c.answered += uint64(completion) //nolint:gosec // not negative
}

// Stats is what was served so far.
func (o *Origin) Stats() Stats {
	c := &o.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Stats{
		Ill: c.ill, Bytes: c.bytes, Streams: c.streams, StreamsBroken: c.broken,
		PromptTokens: c.prompt, CompletionTokens: c.answered,
		ChatInFlight: c.chats, ChatInFlightMax: c.chatsMax,
		Endpoints: make(map[string]map[string]uint64, len(c.served)),
	}
	if t := o.tracer; t != nil {
		s.Traced, s.Sampled = t.traced.Load(), t.sampled.Load()
		s.SpansLost = t.lost.Load()
	}
	for e, statuses := range c.served {
		s.Endpoints[string(e)] = make(map[string]uint64, len(statuses))
		for status, n := range statuses {
			s.Endpoints[string(e)][strconv.Itoa(status)] = n
			s.Requests += n
			if status == 304 {
				s.NotModified += n
			}
		}
	}
	return s
}

// Reset forgets what was served and begins the seed's sequence anew. Chats in
// flight stay in flight.
func (o *Origin) Reset() {
	c := &o.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arrivals = 0
	c.served = nil
	c.bytes = 0
	c.streams = 0
	c.broken = 0
	c.prompt = 0
	c.answered = 0
	c.ill = 0
	c.chatsMax = c.chats
	if t := o.tracer; t != nil {
		t.traced.Store(0)
		t.sampled.Store(0)
		t.lost.Store(0)
	}
}
