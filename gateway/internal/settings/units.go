package settings

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// parseDuration reads Go's durations, with days before them: 250ms, 1h30m, 7d,
// 1d12h.
func parseDuration(v string) (time.Duration, error) {
	days, rest, found := strings.Cut(v, "d")
	if !found {
		return time.ParseDuration(v)
	}
	n, err := strconv.ParseFloat(days, 64)
	// The negated comparison also rejects NaN; 100,000 days fit into a Duration.
	if err != nil || !(math.Abs(n) <= 100_000) {
		return 0, errNotAllowed
	}
	sum := time.Duration(n * float64(day))
	if rest == "" {
		return sum, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || rest[0] == '+' || n < 0 {
		return 0, errNotAllowed
	}
	return sum + d, nil
}

// formatDuration writes whole days as such, and drops the zero minutes and
// seconds of time.Duration's form.
func formatDuration(d time.Duration) string {
	if d > 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// units are the units of sizes, in lower case, a suffix after those that end in it.
var units = []struct {
	name string
	size int64
}{
	{"gib", gib}, {"mib", mib}, {"kib", kib},
	{"g", gib}, {"m", mib}, {"k", kib},
	{"b", 1}, {"", 1},
}

// parseBytes reads a size: 64k, 64K and 64KiB are the same. KB is rejected: it
// may mean 1000 or 1024 bytes.
func parseBytes(v string) (int64, error) {
	v = strings.ToLower(v)
	for _, u := range units {
		number, ok := strings.CutSuffix(v, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.size {
			return 0, errNotAllowed
		}
		return n * u.size, nil
	}
	return 0, errNotAllowed
}

// FormatBytes writes a size in the largest unit that divides it.
func FormatBytes(n int64) string {
	for _, u := range []struct {
		name string
		size int64
	}{{"GiB", gib}, {"MiB", mib}, {"KiB", kib}} {
		if n >= u.size && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}
