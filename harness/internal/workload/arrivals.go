package workload

import (
	"fmt"
	"strings"
	"time"
)

// Of a shape that is made of a source's times.
const (
	mostSegments  = 60
	shortestShape = 10 * time.Second
	longestShape  = time.Hour // as long as an attack may be
)

// shape is the source's rate over time as the segments of an open-loop attack, as YAML with a comma before it, and their length in seconds.
// Levels are multiples of the mean, so that they fit any rate.
func (i *Import) shape() (yaml string, seconds int, err error) {
	a := i.Arrivals
	switch {
	case a.Mean == 0:
		return "", 0, fmt.Errorf("arrivals: the source has no times of requests: import it without --arrivals")
	case a.Span < shortestShape || a.Span >= longestShape:
		return "", 0, fmt.Errorf("arrivals: %s are not allowed: want %s to less than %s of a source: "+
			"import another part of it, or all without --arrivals",
			a.Span.Round(time.Second), shortestShape, longestShape)
	}
	seconds = int(a.Span/time.Second) + 1
	each := (seconds + mostSegments - 1) / mostSegments
	counts := make([]int, (seconds+each-1)/each)
	seconds = len(counts) * each // an hour at most
	total := 0
	for at, n := range a.seconds {
		if k := int(at-a.first) / each; k >= 0 && k < len(counts) {
			counts[k] += n
			total += n
		}
	}
	var b strings.Builder
	b.WriteString(",\n    # The source's rate over time, as multiples of its mean.\n    shape: [\n")
	for _, n := range counts {
		level := float64(n) / float64(total) * float64(len(counts))
		fmt.Fprintf(&b, "      {for: %ds, level: %s},\n", each, number(float64(int(level*1000+0.5))/1000))
	}
	b.WriteString("    ]")
	return b.String(), seconds, nil
}
