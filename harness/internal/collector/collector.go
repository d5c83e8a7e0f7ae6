// Package collector is a node of the lab that receives spans (OTLP over HTTP, with Protocol Buffers) and checks the trees that they make:
// each trace has one root, every parent was received, spans are within their parents in time, and the way goes on wherever a client had a
// response. It is not a backend: it keeps what one attack sends, in memory.
package collector

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gatelab/gatelab/harness/internal/otlp"
	"github.com/gatelab/gatelab/internal/webguard"
)

// Limits of what is kept and read.
const (
	DefaultTraces = 200_000
	MaxTraces     = 10_000_000
	maxSpans      = 1000     // of a trace
	maxBody       = 32 << 20 // bytes of an export, unpacked
)

// Config is a collector's whole configuration.
type Config struct {
	Listen string   // host:port
	Hosts  []string // further names by which /summary and /reset are reached
	Traces int      // traces that are kept; spans of further ones are counted as dropped
}

// Validate says which setting is not allowed, and what is.
func (c Config) Validate() error {
	if c.Traces < 1 || c.Traces > MaxTraces {
		return fmt.Errorf("traces: %d is not allowed: want 1 to %d", c.Traces, MaxTraces)
	}
	return nil
}

// store is what was received.
type store struct {
	mu      sync.Mutex
	limit   int
	traces  map[otlp.TraceID][]otlp.Span
	spans   uint64
	dropped uint64
	refused uint64
	last    time.Time // when the last span came; zero: none has
}

func (s *store) add(spans []otlp.Span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range spans {
		s.last = time.Now()
		have, known := s.traces[spans[i].Trace]
		if !known && len(s.traces) >= s.limit || len(have) >= maxSpans {
			s.dropped++
			continue
		}
		s.traces[spans[i].Trace] = append(have, spans[i])
		s.spans++
	}
}

func (s *store) refuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused++
}

func (s *store) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.traces = map[otlp.TraceID][]otlp.Span{}
	s.spans, s.dropped = 0, 0
	s.refused, s.last = 0, time.Time{}
}

// trace is the spans of a trace; nil: it is not known.
func (s *store) trace(id otlp.TraceID) []otlp.Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]otlp.Span(nil), s.traces[id]...)
}

// Serve receives spans until ctx ends.
func Serve(ctx context.Context, c Config) error {
	handler, err := Handler(c)
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("collector: listen: %w", err)
	}
	server := webguard.NewServer(handler, webguard.Limits{})
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("collector: %w", err)
	}
	return nil
}

// Handler is an empty collector:
//
//	POST /v1/traces    spans: 200; 400 if they cannot be read
//	GET  /summary      Summary
//	GET  /traces/{id}  the spans of a trace: []SpanView; 404 if there is none
//	POST /reset        forget what was received: 204
//	GET  /health       200
func Handler(c Config) (http.Handler, error) {
	guard, err := webguard.New(webguard.Config{Listen: c.Listen, Hosts: c.Hosts})
	if err != nil {
		return nil, fmt.Errorf("collector: hosts: %w", err)
	}
	s := &store{limit: c.Traces, traces: map[otlp.TraceID][]otlp.Span{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST "+otlp.TracesPath, s.receive) // senders know the collector by any name
	mux.Handle("GET /summary", guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { reply(w, s.summarize()) })))
	mux.Handle("GET /traces/{id}", guard.Wrap(http.HandlerFunc(s.show)))
	mux.Handle("POST /reset", guard.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.reset()
		w.WriteHeader(http.StatusNoContent)
	})))
	return mux, nil
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client has gone otherwise
}

// receive takes an export. The response to one is an empty message.
func (s *store) receive(w http.ResponseWriter, r *http.Request) {
	spans, status, err := read(r)
	if err != nil {
		s.refuse()
		http.Error(w, err.Error(), status)
		return
	}
	s.add(spans)
	w.Header().Set("Content-Type", otlp.ContentType)
	w.WriteHeader(http.StatusOK)
}

// read is the spans of an export, or the status that says what is wrong with it.
func read(r *http.Request) ([]otlp.Span, int, error) {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); strings.TrimSpace(kind) != otlp.ContentType {
		return nil, http.StatusUnsupportedMediaType, fmt.Errorf("content-type: %.60q is not allowed: want %s", kind, otlp.ContentType)
	}
	body := io.Reader(r.Body)
	switch coding := r.Header.Get("Content-Encoding"); coding {
	case "", "identity":
	case "gzip":
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, http.StatusBadRequest, fmt.Errorf("body: gzip: %w", err)
		}
		body = unpacked
	default:
		return nil, http.StatusUnsupportedMediaType, fmt.Errorf("content-encoding: %.60q is not allowed: want gzip or none", coding)
	}
	b, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	if err != nil {
		return nil, http.StatusBadRequest, fmt.Errorf("body: %w", err)
	}
	if len(b) > maxBody {
		return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("body: more than %d bytes are not allowed", maxBody)
	}
	spans, err := otlp.Decode(b)
	if err != nil {
		return nil, http.StatusBadRequest, fmt.Errorf("body: %w", err)
	}
	return spans, 0, nil
}

// SpanView is a span for people.
type SpanView struct {
	ID      string    `json:"id"`
	Parent  string    `json:"parent,omitempty"`
	Service string    `json:"service"`
	Name    string    `json:"name"`
	Start   time.Time `json:"start"`
	MS      float64   `json:"ms"` // from its start to its end
	Status  int       `json:"status,omitempty"`
}

func (s *store) show(w http.ResponseWriter, r *http.Request) {
	id, err := otlp.ParseTraceID(r.PathValue("id"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	spans := s.trace(id)
	if len(spans) == 0 {
		http.Error(w, "no trace "+id.String(), http.StatusNotFound)
		return
	}
	out := make([]SpanView, len(spans))
	for i, one := range spans {
		out[i] = SpanView{
			ID: one.ID.String(), Service: one.Service, Name: one.Name, Start: one.Start.UTC(),
			MS: float64(one.End.Sub(one.Start)) / float64(time.Millisecond), Status: one.Status,
		}
		if one.Parent != (otlp.SpanID{}) {
			out[i].Parent = one.Parent.String()
		}
	}
	reply(w, out)
}
