package alerting

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
)

// Scale says by how much the windows and waits of the rules are shortened.
type Scale struct {
	Factor float64       // by which times are divided; 1, the smallest, is as in production
	Scrape time.Duration // interval of scrapes and of evaluations
}

// samples is the number of samples that a range must contain, so that one late scrape does not leave it without a rate.
const samples = 5

// Durations of a rule file, by their lower limit.
var (
	ranges    = regexp.MustCompile(`(\[)([0-9]+(?:ms|[smhd]))(\])`)
	seconds   = regexp.MustCompile(`(\()([0-9]+) \* 60(\))`) // a window's length, as a number
	offsets   = regexp.MustCompile(`(\boffset )([0-9]+(?:ms|[smhd]))()`)
	waits     = regexp.MustCompile(`(?m)(^\s*for: )([0-9]+(?:ms|[smhd]))()`)
	intervals = regexp.MustCompile(`(?m)(^\s*interval: )([0-9]+(?:ms|[smhd]))()`)
)

// Rules is a rule file with its ranges, offsets, waits ("for") and intervals divided by the factor. Ranges, their lengths in seconds,
// written (5 * 60), and the offsets that look before them are at least five scrapes long, the others at least one. Names and thresholds
// stay, so a record that is called rate5m then covers less.
func (s Scale) Rules(file []byte) ([]byte, error) {
	if s.Factor < 1 || s.Scrape < 100*time.Millisecond {
		return nil, fmt.Errorf("scale: factor %g, scrape %s: want a factor of 1 or more and 100ms or more", s.Factor, s.Scrape)
	}
	var failed error
	for _, part := range []struct {
		in    *regexp.Regexp
		least time.Duration
	}{{ranges, samples * s.Scrape}, {offsets, samples * s.Scrape}, {waits, s.Scrape}, {intervals, s.Scrape}} {
		file = part.in.ReplaceAllFunc(file, func(found []byte) []byte {
			m := part.in.FindSubmatch(found)
			d, err := model.ParseDuration(string(m[2]))
			if err != nil {
				failed = err
				return found
			}
			short := max(time.Duration(float64(d)/s.Factor), part.least).Round(100 * time.Millisecond)
			return fmt.Appendf(nil, "%s%s%s", m[1], model.Duration(short), m[3])
		})
	}
	if failed != nil {
		return nil, fmt.Errorf("scale: %w", failed)
	}
	file = seconds.ReplaceAllFunc(file, func(found []byte) []byte {
		m := seconds.FindSubmatch(found)
		minutes, err := strconv.Atoi(string(m[2]))
		if err != nil {
			failed = err
			return found
		}
		long := time.Duration(minutes) * time.Minute
		short := max(time.Duration(float64(long)/s.Factor), samples*s.Scrape)
		if short == long {
			return found
		}
		return fmt.Appendf(nil, "(%g)", short.Round(100*time.Millisecond).Seconds())
	})
	if failed != nil {
		return nil, fmt.Errorf("scale: %w", failed)
	}
	return file, nil
}
