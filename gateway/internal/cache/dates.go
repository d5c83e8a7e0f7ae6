package cache

import (
	"bytes"
	"net/http"
	"strings"
	"time"
)

// ParseDate reads the values of a field that holds one HTTP-date, in any of its
// three forms (RFC 9110, 5.6.7). It is strict: two values, a form that is nearly
// right, a weekday that is another day's are no date. Only letter case is free
// (RFC 9111, 4.2).
func ParseDate(values [][]byte, now time.Time) (t time.Time, ok bool) {
	if len(values) != 1 {
		return t, false
	}
	text := usualCase(bytes.Trim(values[0], " \t"))
	for _, layout := range [...]string{http.TimeFormat, "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC} {
		t, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		if layout == "Monday, 02-Jan-06 15:04:05 GMT" {
			t = inCentury(t, now)
		}
		// time.Parse takes more than was asked for: one digit for two, fractions.
		if t.Format(layout) == text {
			return t, true
		}
	}
	return t, false
}

// usualCase writes names of days and months, and GMT, as dates have them.
func usualCase(date []byte) string {
	b := bytes.ToLower(date)
	for i := range b {
		if isLower(b[i]) && (i == 0 || !isLower(b[i-1]|0x20)) {
			b[i] -= 'a' - 'A'
		}
	}
	if text, ok := strings.CutSuffix(string(b), " Gmt"); ok {
		return text + " GMT"
	}
	return string(b)
}

// inCentury gives a two-digit year its century: the date is at most 50 years in the
// future.
func inCentury(t, now time.Time) time.Time {
	year := now.UTC().Year()
	full := year - year%100 + t.Year()%100
	move := func(to int) time.Time {
		return time.Date(to, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
	}
	switch in := move(full); {
	case in.After(now.AddDate(50, 0, 0)):
		return move(full - 100)
	case in.Before(now.AddDate(-50, 0, 0)):
		return move(full + 100)
	default:
		return in
	}
}
