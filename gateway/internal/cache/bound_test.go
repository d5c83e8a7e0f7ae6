package cache

import (
	"encoding/binary"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// resident is how much memory the process has, in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("the system does not tell:", err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		t.Skip("the system does not tell")
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// live is what the heap holds after a collection: what is resident beyond it is the
// collector's, and the race detector's.
func live() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // far below
}

// TestMemoryUnderManyKeys stores many more keys than fit: 200,000, or as many as
// GATELAB_TEST_KEYS says.
func TestMemoryUnderManyKeys(t *testing.T) {
	if testing.Short() {
		t.Skip("stores 200,000 entries")
	}
	keys := 200_000
	if text := os.Getenv("GATELAB_TEST_KEYS"); text != "" {
		var err error
		if keys, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	const most = 32 << 20
	sp := newStore(t, Config{MemoryBytes: most}).Space(nil)
	before, worst := live(), int64(0)
	residentBefore := resident(t)
	for i := range keys {
		var k, u Key
		binary.BigEndian.PutUint64(k[:], uint64(i)*0x9e3779b97f4a7c15)
		u = k
		u[31] = 1
		f := sp.alone(Query{Key: k, URI: u}, nil)
		e := response("")
		e.Body = make([]byte, 1024)
		e.Of = Resource{Route: "route", Host: "example.com", Path: "/items/" + strconv.Itoa(i)}
		f.Store(e)
		if i%(keys/20) == 0 {
			worst = max(worst, live()-before)
		}
	}
	worst = max(worst, live()-before)
	sp.store.uris.mu.Lock()
	uris := len(sp.store.uris.by)
	sp.store.uris.mu.Unlock()
	t.Logf("%d keys through %d MiB: %.0f entries, %d URIs, at most %d MiB live, %d MiB more resident",
		keys, most>>20, sp.store.memory.entries(), uris, worst>>20, (resident(t)-residentBefore)>>20)
	if worst > 2*most {
		t.Errorf("%d MiB are live, for a bound of %d MiB", worst>>20, most>>20)
	}
	sp.store.memory.cache.CleanUp()
	if b := sp.store.memory.bytes(); b > most {
		t.Errorf("%v bytes are held", b)
	}
}
