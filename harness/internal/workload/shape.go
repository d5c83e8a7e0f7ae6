package workload

import (
	"math"
	"regexp"
	"slices"
	"strings"
)

// placeholder stands in a scenario's path for the drawn id.
const placeholder = "{id}"

// shape is a path with its query in which values that look like ids are replaced by the placeholder.
type shape struct {
	text   string
	values []string // that were replaced, in order
}

// idPattern matches what looks like an id: a number, a UUID, a ULID or hexadecimal digits with a number among them.
var idPattern = regexp.MustCompile(
	`^(?:[0-9]{1,19}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-7][0-9A-HJKMNP-TV-Z]{25}|[0-9a-f]{16,64})$`)

// shapeOf replaces ids in segments of the path and in values of the query.
func shapeOf(uri string) shape {
	var s shape
	var b strings.Builder
	begin := 0
	for i := 0; i <= len(uri); i++ {
		if i < len(uri) && strings.IndexByte("/?&=,;:", uri[i]) < 0 {
			continue
		}
		word := uri[begin:i]
		// The name of a parameter is no id.
		if idPattern.MatchString(word) && (i == len(uri) || uri[i] != '=') {
			s.values = append(s.values, word)
			word = placeholder
		}
		b.WriteString(word)
		if i < len(uri) {
			b.WriteByte(uri[i])
		}
		begin = i + 1
	}
	s.text = b.String()
	return s
}

// fill is the path with values in the place of placeholders again.
func (s shape) fill(values []string) string {
	var b strings.Builder
	rest := s.text
	for _, v := range values {
		before, after, _ := strings.Cut(rest, placeholder)
		b.WriteString(before + v)
		rest = after
	}
	return b.String() + rest
}

// Limits of the estimate of a popularity.
const (
	fewIDs       = 5    // with fewer ids there is no distribution to fit
	fewPerID     = 5    // with fewer requests for each id chance alone makes some of them popular
	steepest     = 3.0  // exponent
	leastSkew    = 0.3  // exponent: chance alone gives equally popular ids 0.26 at five requests for each
	zipfAccuracy = 1e-3 // of the exponent
)

// zipf is the exponent s for which ids with a popularity of 1/rank^s most probably have the given numbers of requests (maximum
// likelihood); 0 if the numbers are too small to say.
func zipf(values map[string]int) float64 {
	counts := make([]int, 0, len(values))
	total := 0
	for _, n := range values {
		counts = append(counts, n)
		total += n
	}
	if len(counts) < fewIDs || total < fewPerID*len(counts) {
		return 0
	}
	slices.SortFunc(counts, func(a, b int) int { return b - a })
	var seen float64 // the mean of ln(rank)
	for i, n := range counts {
		seen += float64(n) / float64(total) * math.Log(float64(i+1))
	}
	low, high := 0.0, steepest
	for high-low > zipfAccuracy {
		if s := (low + high) / 2; meanLogRank(s, len(counts)) > seen {
			low = s // the expected ranks are higher: the real popularity falls faster
		} else {
			high = s
		}
	}
	if s := math.Round((low+high)/2*100) / 100; s >= leastSkew {
		return s
	}
	return 0
}

// meanLogRank is the expected ln(rank) among n ids with exponent s.
func meanLogRank(s float64, n int) float64 {
	var sum, weights float64
	for i := 1; i <= n; i++ {
		w := math.Pow(float64(i), -s)
		weights += w
		sum += w * math.Log(float64(i))
	}
	return sum / weights
}
