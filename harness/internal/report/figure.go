package report

import (
	"math"
	"strconv"
	"strings"
)

// na is what people read where nothing was measured.
const na = "n/a"

// grouped is a whole number with commas between thousands.
func grouped(v float64) string {
	s := strconv.FormatFloat(math.Abs(v), 'f', 0, 64)
	var b strings.Builder
	if v <= -0.5 {
		b.WriteByte('-')
	}
	for i, c := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// figure has three significant digits, and all digits of what is above 100.
func figure(v float64) string {
	switch a := math.Abs(v); {
	case a >= 99.95:
		return grouped(v)
	case a >= 9.995:
		return trimZeros(strconv.FormatFloat(v, 'f', 1, 64))
	case a >= 0.9995 || a == 0:
		return trimZeros(strconv.FormatFloat(v, 'f', 2, 64))
	default:
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
}

// trimZeros takes the zeros off the end of a decimal fraction.
func trimZeros(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

func figureOr(v *float64) string {
	if v == nil {
		return na
	}
	return figure(*v)
}

func countOr(v *uint64) string {
	if v == nil {
		return na
	}
	return grouped(float64(*v))
}

// percent of a share. Small shares keep two significant digits, and shares near
// one keep what tells them from 100%.
func percent(share float64) string {
	p := share * 100
	switch {
	case p == 0 || p == 100:
		return strconv.FormatFloat(p, 'f', 0, 64) + "%"
	case p > 99:
		return trimZeros(strconv.FormatFloat(math.Min(p, 99.999), 'f', 3, 64)) + "%"
	case p >= 10:
		return trimZeros(strconv.FormatFloat(p, 'f', 1, 64)) + "%"
	default:
		return trimZeros(strconv.FormatFloat(p, 'f', max(2, 1-int(math.Floor(math.Log10(p)))), 64)) + "%"
	}
}

func percentOr(share *float64) string {
	if share == nil {
		return na
	}
	return percent(*share)
}

// times is a ratio: "61x", "1.3x", "0.82x".
func times(ratio *float64) string {
	if ratio == nil {
		return na
	}
	switch {
	case *ratio >= 9.95:
		return grouped(*ratio) + "x"
	case *ratio >= 0.995:
		return strconv.FormatFloat(*ratio, 'f', 1, 64) + "x"
	default:
		return strconv.FormatFloat(*ratio, 'f', 2, 64) + "x"
	}
}

// span is a number of milliseconds as people say it: "25 ms", "2.0 s".
func span(ms float64) string {
	switch {
	case ms >= 100_000:
		return grouped(ms/1000) + " s"
	case ms >= 1000:
		return strconv.FormatFloat(ms/1000, 'f', 1, 64) + " s"
	default:
		return figure(ms) + " ms"
	}
}

func spanOr(ms *float64) string {
	if ms == nil {
		return na
	}
	return span(*ms)
}

// divided is a/b, nil where one of them is missing or b is zero.
func divided(a, b *float64) *float64 {
	if a == nil || b == nil || *b == 0 {
		return nil
	}
	q := *a / *b
	return &q
}
