// Package follow is the live log of a run: events as JSON, one per line, appended
// to live.jsonl in the run's folder while the run is under way.
package follow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// File is the log's name in a run's folder.
const File = "live.jsonl"

// Kinds of Event.
const (
	Begin  = "begin"  // the run's name, in Text
	Step   = "step"   // something was done, in Text
	Fault  = "fault"  // a step of a fault, in Text
	Attack = "attack" // an attack under way: the figures are its last full second's
	End    = "end"    // the run is over: Valid, or what went wrong in Text
)

// Event is one line. Figures that are not known are absent.
type Event struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"`
	Text string    `json:"text,omitempty"`

	Stage     string   `json:"stage,omitempty"`
	Model     string   `json:"model,omitempty"` // open or closed
	State     string   `json:"state,omitempty"` // the worker's word: warming up, running, done
	ElapsedS  *float64 `json:"elapsed_s,omitempty"`
	TotalS    *float64 `json:"total_s,omitempty"` // warm-up and measured window
	QPS       *float64 `json:"qps,omitempty"`
	P50MS     *float64 `json:"p50_ms,omitempty"`
	P99MS     *float64 `json:"p99_ms,omitempty"`
	ErrorRate *float64 `json:"error_rate,omitempty"` // of the measured window so far, 0 to 1
	HitRatio  *float64 `json:"hit_ratio,omitempty"`  // of the last second, 0 to 1

	Valid *bool `json:"valid,omitempty"` // of End, where there is a report
}

// Log appends events. A nil Log takes them and does nothing.
type Log struct {
	mu   sync.Mutex
	file *os.File
}

// Create begins the log of a run, and makes its folder.
func Create(dir string) (*Log, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("live log: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, File), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("live log: %w", err)
	}
	return &Log{file: f}, nil
}

// Add appends an event; its time is now where it has none. A write that fails
// is not reported: a run must not fail because its log cannot be written.
func (l *Log) Add(e Event) {
	if l == nil {
		return
	}
	if e.At.IsZero() {
		e.At = time.Now().UTC()
	}
	b, err := json.Marshal(e)
	if err != nil {
		return // JSON has no NaN
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.file.Write(append(b, '\n')) // one write: a reader never sees two lines mixed
}

// Close ends the log.
func (l *Log) Close() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.file.Close()
}

// Parse reads one line. Fields that this version does not know are left out.
func Parse(line []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(bytes.TrimSpace(line), &e); err != nil {
		return Event{}, fmt.Errorf("live log: %w", err)
	}
	if e.Kind == "" {
		return Event{}, fmt.Errorf("live log: kind is missing")
	}
	return e, nil
}
