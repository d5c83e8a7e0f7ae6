// Package figure writes measured numbers for people: grouped thousands, three
// significant digits, percentages, milliseconds, and n/a for what was not
// measured. It is pure and imports nothing of ours.
package figure

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// NA stands for what was not measured.
const NA = "n/a"

// Grouped is a whole number with commas between thousands.
func Grouped(v float64) string {
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

// Rounded has three significant digits, and all digits of what is above 100.
func Rounded(v float64) string {
	switch a := math.Abs(v); {
	case a >= 99.95:
		return Grouped(v)
	case a >= 9.995:
		return TrimZeros(strconv.FormatFloat(v, 'f', 1, 64))
	case a >= 0.9995 || a == 0:
		return TrimZeros(strconv.FormatFloat(v, 'f', 2, 64))
	default:
		return strconv.FormatFloat(v, 'g', 2, 64)
	}
}

// TrimZeros takes the zeros off the end of a decimal fraction.
func TrimZeros(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// RoundedOr is Rounded, or NA for nil.
func RoundedOr(v *float64) string {
	if v == nil {
		return NA
	}
	return Rounded(*v)
}

// Count is a number of things, grouped.
func Count(n uint64) string { return Grouped(float64(n)) }

// CountOr is Count, or NA for nil.
func CountOr(v *uint64) string {
	if v == nil {
		return NA
	}
	return Count(*v)
}

// Percent writes a share (0 to 1). Small shares keep two significant digits, and
// shares near one keep the digits that differ from 100%.
func Percent(share float64) string {
	p := share * 100
	switch {
	case p == 0 || p == 100:
		return strconv.FormatFloat(p, 'f', 0, 64) + "%"
	case p > 99:
		return TrimZeros(strconv.FormatFloat(math.Min(p, 99.999), 'f', 3, 64)) + "%"
	case p >= 10:
		return TrimZeros(strconv.FormatFloat(p, 'f', 1, 64)) + "%"
	default:
		return TrimZeros(strconv.FormatFloat(p, 'f', max(2, 1-int(math.Floor(math.Log10(p)))), 64)) + "%"
	}
}

// PercentOr is Percent, or NA for nil.
func PercentOr(share *float64) string {
	if share == nil {
		return NA
	}
	return Percent(*share)
}

// Times is a ratio: "61x", "1.3x", "0.82x".
func Times(ratio *float64) string {
	if ratio == nil {
		return NA
	}
	switch {
	case *ratio >= 9.95:
		return Grouped(*ratio) + "x"
	case *ratio >= 0.995:
		return strconv.FormatFloat(*ratio, 'f', 1, 64) + "x"
	default:
		return strconv.FormatFloat(*ratio, 'f', 2, 64) + "x"
	}
}

// Millis is a number of milliseconds with its unit: "25 ms", "2.0 s".
func Millis(ms float64) string {
	switch {
	case ms >= 100_000:
		return Grouped(ms/1000) + " s"
	case ms >= 1000:
		return strconv.FormatFloat(ms/1000, 'f', 1, 64) + " s"
	default:
		return Rounded(ms) + " ms"
	}
}

// MillisOr is Millis, or NA for nil.
func MillisOr(ms *float64) string {
	if ms == nil {
		return NA
	}
	return Millis(*ms)
}

// Map writes a map sorted by key: "a: 1; b: 2".
func Map[V any](m map[string]V, format func(V) string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k+": "+format(m[k]))
	}
	return strings.Join(parts, "; ")
}

// Quoted is s, and "" in quotes where s is empty.
func Quoted(s string) string {
	if s == "" {
		return `""`
	}
	return s
}
