package workload

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gatelab/gatelab/harness/internal/scenario"
	"github.com/gatelab/gatelab/internal/suggest"
)

// Options say how a source is read.
type Options struct {
	Format      string // one of Formats; empty: by content
	Host        string // whose requests count, of several hosts in a source; empty: the most frequent one
	Template    string // of FormatCSV: METHOD PATH [BODY], with {column} in the place of values
	MaxRequests int    // the most kinds of request that are kept; 0: DefaultMaxRequests
	KeepSecrets bool   // keeps credentials, cookies and tokens
	KeepIDs     bool   // requests that differ in numbers stay apart
	Files       fs.FS  // where bodies that a source names by @file are; nil: such requests are left out
}

// Limits on what becomes part of a scenario.
const (
	DefaultMaxRequests = 100
	MostRequests       = 1000
	maxBody            = 64 << 10  // bytes of one request's body
	maxText            = 900 << 10 // bytes of all requests in YAML: a scenario's file has at most 1 MiB
	maxHeld            = 256 << 20 // bytes of the requests that are told apart
	maxTarget          = 4 << 10   // bytes of a path with its query
	maxKinds           = 100_000   // different requests that are told apart before the most frequent are kept
	maxIDs             = 1_000_000 // values of {id}, as in a scenario
)

// Import is a source as the requests of a scenario.
type Import struct {
	Format   string
	Host     string // whose requests were kept; empty if the source names none
	Requests []scenario.Request
	Counts   Counts
	Arrivals Arrivals
}

// Counts say what became of a source's requests. Read is the sum of Kept and LeftOut.
type Counts struct {
	Read    int            // requests in the source
	Kept    int            // of Read
	Merged  int            // of Kept: equal to another one, but for their ids
	LeftOut map[string]int // of Read, by reason
	Trimmed map[string]int // what requests that were kept are without, by what it is: headers, credentials
}

// Arrivals are the times of a source that has them. Zero: it has none.
type Arrivals struct {
	Span time.Duration // from the first request to the last one
	Mean float64       // requests per second over Span
	Peak int           // requests in the busiest second

	first   int64         // second of the first request, since 1970
	seconds map[int64]int // requests by second
}

// parser gives every request of a source to take. An error means that the source is not of the format.
type parser func(b []byte, o Options, take func(record)) error

// Formats.
const (
	FormatVegeta     = "vegeta"
	FormatVegetaJSON = "vegeta-json"
	FormatHAR        = "har"
	FormatOpenAPI    = "openapi"
	FormatKong       = "kong"
	FormatCombined   = "combined"
	FormatCaddy      = "caddy"
	FormatCurl       = "curl"
	FormatCSV        = "csv"
)

var parsers = map[string]parser{
	FormatVegeta:     parseVegeta,
	FormatVegetaJSON: parseVegetaJSON,
	FormatHAR:        parseHAR,
	FormatOpenAPI:    parseOpenAPI,
	FormatKong:       parseKong,
	FormatCombined:   parseCombined,
	FormatCaddy:      parseCaddy,
	FormatCurl:       parseCurl,
	FormatCSV:        parseCSV,
}

// Formats are the names of all formats, sorted.
func Formats() []string { return slices.Sorted(maps.Keys(parsers)) }

// Read reads a source.
func Read(b []byte, o Options) (*Import, error) {
	if o.MaxRequests == 0 {
		o.MaxRequests = DefaultMaxRequests
	}
	if o.MaxRequests < 1 || o.MaxRequests > MostRequests {
		return nil, fmt.Errorf("max-requests: %d is not allowed: want 1 to %d", o.MaxRequests, MostRequests)
	}
	if o.Format == "" {
		var err error
		if o.Format, err = detect(b, o); err != nil {
			return nil, err
		}
	}
	parse, ok := parsers[o.Format]
	if !ok {
		return nil, suggest.Unknown("format", o.Format, Formats())
	}
	if o.Template != "" && o.Format != FormatCSV {
		return nil, fmt.Errorf("template: is not allowed with the format %s: want --format %s", o.Format, FormatCSV)
	}
	c := newCollector(o)
	if err := parse(b, o, c.take); err != nil {
		return nil, fmt.Errorf("format %s: %w", o.Format, err)
	}
	i := c.finish()
	i.Format = o.Format
	if len(i.Requests) == 0 {
		return nil, fmt.Errorf("format %s: no request is left of %d: %s", o.Format, i.Counts.Read, list(i.Counts.LeftOut))
	}
	return i, nil
}

// Summary are the counts in words, a line each.
func (i *Import) Summary() []string {
	c := i.Counts
	lines := []string{
		fmt.Sprintf("format: %s", i.Format),
		fmt.Sprintf("read: %d, kept: %d as %d requests (%d of them merged with equal ones), left out: %d",
			c.Read, c.Kept, len(i.Requests), c.Merged, c.Read-c.Kept),
	}
	for _, reason := range slices.Sorted(maps.Keys(c.LeftOut)) {
		lines = append(lines, fmt.Sprintf("left out: %d, %s", c.LeftOut[reason], reason))
	}
	for _, what := range slices.Sorted(maps.Keys(c.Trimmed)) {
		lines = append(lines, fmt.Sprintf("kept without: %s (%d)", what, c.Trimmed[what]))
	}
	if i.Arrivals.Mean > 0 {
		lines = append(lines, "arrivals: "+i.Arrivals.String())
	}
	return lines
}

// String says how many requests arrived, as in "mean 12.5/s over 1m20s, 40 in the busiest second".
func (a Arrivals) String() string {
	return fmt.Sprintf("mean %.4g/s over %s, %d in the busiest second", a.Mean, a.Span.Round(time.Second), a.Peak)
}

func list(counts map[string]int) string {
	if len(counts) == 0 {
		return "the source is empty"
	}
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[reason], reason))
	}
	return strings.Join(parts, "; ")
}
