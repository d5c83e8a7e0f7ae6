//go:build !race

package proxy

import (
	"testing"
)

// The allocations of a request on each path, exact: a commit that adds one fails. They are
// counted without the race detector, which empties pools at random, so CI runs this test by
// itself.
func TestAllocationsPerRequest(t *testing.T) {
	for _, c := range []struct {
		path string
		run  func(*testing.B)
		most int64
	}{
		{path: "answered by a plugin", run: BenchmarkAnswered, most: 0},
		{path: "answered by a plugin, over a connection", run: BenchmarkServed, most: 0},
		{path: "forwarded on a kept connection", run: BenchmarkForwarded, most: 0},
		// The stream, a frame of the library, and 7 strings: this client leaves HPACK's table alone.
		{path: "forwarded, over HTTP/2", run: func(b *testing.B) { benchmarkHTTP2(b, 1) }, most: 9},
	} {
		r := testing.Benchmark(c.run)
		t.Logf("%s: %s %s", c.path, r.String(), r.MemString())
		if n := r.AllocsPerOp(); r.N == 0 || n > c.most {
			t.Errorf("%s: %d allocations in %d requests each: want at most %d", c.path, n, r.N, c.most)
		}
	}
}
