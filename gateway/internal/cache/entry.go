package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"sync/atomic"
	"time"
)

// Key is the SHA-256 of what tells one cached resource, or one of its
// variants, from another.
type Key [sha256.Size]byte

// String is the key in 64 hex digits, as X-Cache-Key shows it.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// ParseKey reads what String wrote.
func ParseKey(s string) (k Key, ok bool) {
	if len(s) != 2*len(k) {
		return k, false
	}
	_, err := hex.Decode(k[:], []byte(s))
	return k, err == nil
}

// Field is one header line of a stored response.
type Field struct{ Name, Value []byte }

// Entry is one stored response, or a note about a resource: that it varies, or
// that it is not worth waiting for. Entries are shared by all requests that
// hit them and must not be changed after Put.
type Entry struct {
	Kind   Kind
	Status int
	Header []Field // end-to-end fields only, names canonical
	Body   []byte
	// Withheld are the fields, in lower case, that must not be in Header. It is
	// Judge's word to whoever makes the entry, and is not kept.
	Withheld []string

	Encoding     string    // the body's codings, comma-separated; "" for none
	ETag         string    // opaque tag with its quotes and W/, "" without one
	LastModified time.Time // zero without one

	// Generated is when the origin made the response: the time it was
	// received less the Age it came with. Age is counted from it.
	Generated  time.Time
	FreshUntil time.Time
	// StaleWhileRevalidate and StaleIfError end the two periods of RFC 5861.
	StaleWhileRevalidate, StaleIfError time.Time
	// MustRevalidate forbids stale use, also what a client's max-stale asks.
	MustRevalidate bool
	// KeepUntil is when the tiers forget the entry.
	KeepUntil time.Time

	// Vary are the request header names, lower-case and sorted, that chose
	// this variant; Nonce is that of the resource's VaryNote.
	Vary  []string
	Nonce uint64

	// Of is for purges that do not know keys. Fill.Store sets Asked: the last ban in
	// Redis when the origin was asked.
	Of    Resource
	Asked uint64
	// checked is the last ban of the store that is known not to be of the entry.
	checked atomic.Uint64

	// Generation is that of the URI in Redis when the origin was asked, and state that
	// of the URI in this replica, whose count was seen when the entry was kept.
	Generation uint64
	state      *uri
	seen       uint64
}

// Kind says what an Entry stands for.
type Kind uint8

// The kinds of entries.
const (
	Response Kind = iota
	// VaryNote lies under a resource's own key and names the request headers
	// that choose the variant; its variants lie under keys made with its Nonce.
	VaryNote
	// PassNote remembers that the resource was not cacheable, so that
	// simultaneous requests for it do not wait for each other. Memory only.
	PassNote
)

// NeedsOrigin tells whether the entry may be used only after the origin has said so.
func (e *Entry) NeedsOrigin() bool {
	return !e.FreshUntil.After(e.Generated) && !e.StaleWhileRevalidate.After(e.FreshUntil)
}

// Age is how old the response is at now, in whole seconds, at least 0.
func (e *Entry) Age(now time.Time) int {
	return max(0, int(now.Sub(e.Generated)/time.Second))
}

// Fresh tells whether the entry may be used without asking the origin.
func (e *Entry) Fresh(now time.Time) bool { return now.Before(e.FreshUntil) }

// entryOverhead is about what an entry costs beside its header and body: the
// struct, the slices' headers, and the memory tier's node.
const entryOverhead = 512

// weight is about how many bytes the entry keeps from the garbage collector.
func (e *Entry) weight() uint32 {
	n := entryOverhead + len(e.Body) + e.Of.weight()
	for _, f := range e.Header {
		n += len(f.Name) + len(f.Value) + 48
	}
	return uint32(min(n, 1<<31))
}
