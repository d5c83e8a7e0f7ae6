package h2

import (
	"io"
	"sync"
	"time"
)

// Transport is a client's connection with its time limits.
type Transport interface {
	io.Reader // waits as long as a client may take for what it is in the middle of
	io.Writer // ends when a client takes nothing for too long
	// Buffered is how many bytes Read returns without waiting.
	Buffered() int
	// Interrupt ends a Read under way, and all that follow.
	Interrupt()
}

// Config bounds what a client may do on a connection.
type Config struct {
	Streams      int           // requests at a time
	HeaderBytes  int           // of a header's names and values, with 32 for each field
	StreamWindow int           // bytes of a body that a client may send ahead
	ConnWindow   int           // bytes of all bodies that a client may send ahead
	Idle         time.Duration // without a request, after which a connection ends
	Settings     time.Duration // in which a client must send its settings and acknowledge the server's

	// Handle answers a request, on a goroutine that it may keep for as long as the answer takes.
	Handle func(*Stream)
	// Panicked is told what Handle, or a connection, panicked with; that one is ended.
	Panicked func(reason any, stack []byte)
}

// Server is what connections share.
type Server struct {
	config  Config
	workers workers
	fields  sync.Pool // *fieldList
	outputs sync.Pool // *output
}

// NewServer makes a server. Close ends its goroutines.
func NewServer(c Config) *Server {
	s := &Server{config: c}
	s.workers.run = s.handle
	s.fields.New = func() any { return &fieldList{} }
	s.outputs.New = func() any { return newOutput() }
	return s
}

// Close ends the goroutines that wait for requests.
func (s *Server) Close() { s.workers.close() }
