package scenario

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatelab/gatelab/internal/suggest"
)

// decoder checks nodes and fills Go values from them. partial is for an
// overlay by itself, where what is missing may stand elsewhere.
type decoder struct {
	file    string
	partial bool
	within  string // the stage and profile that are resolved, "" for an overlay
	errs    Errors
	about   *Field // not nil: keys are described instead of decoded
	inList  int    // lists around about
}

// target takes one value; path is where it stands, for errors.
type target func(path string, n *node)

// fields are the allowed keys of a map.
type fields map[string]target

func (d *decoder) wrong(n *node, path, format string, args ...any) {
	file := d.file
	if n.at.file != "" { // a base is another file
		file = n.at.file
	}
	d.errs.add(Error{file, n.at.line, n.at.column, path, fmt.Sprintf(format, args...), d.within})
}

// refuse is the message for a value of the wrong type or out of range.
func (d *decoder) refuse(n *node, path, want string) {
	d.wrong(n, path, "%s is not allowed: want %s", n.string(), want)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// object gives every entry of a map to its field, and refuses others.
func (d *decoder) object(path string, n *node, f fields) {
	if d.about != nil {
		d.describeMap(path, f)
		return
	}
	if n == nil {
		return
	}
	if n.kind != mapping {
		d.refuse(n, path, "a map of "+strings.Join(slices.Sorted(maps.Keys(f)), ", "))
		return
	}
	for _, e := range n.entries {
		if take, ok := f[e.key]; ok {
			take(join(path, e.key), e.value)
			continue
		}
		allowed := slices.Sorted(maps.Keys(f))
		d.wrong(&node{at: e.at}, path, "unknown field %q%s; allowed: %s", e.key, suggest.Hint(e.key, allowed), strings.Join(allowed, ", "))
	}
}

// require refuses a map in which a key is missing.
func (d *decoder) require(path string, n *node, keys ...string) {
	if d.about != nil {
		d.describeRequired(keys)
	}
	if d.partial || n.kind != mapping {
		return
	}
	for _, k := range keys {
		if n.field(k) == nil {
			d.wrong(n, join(path, k), "is missing")
		}
	}
}

// each gives every entry of a map with free keys to take.
func (d *decoder) each(take func(path, key string, n *node)) target {
	return func(path string, n *node) {
		if d.about != nil {
			d.describeEach(kindMap, path+".*", func(p string, n *node) { take(p, "any", n) })
			return
		}
		if n.kind != mapping {
			d.refuse(n, path, "a map")
			return
		}
		for _, e := range n.entries {
			take(join(path, e.key), e.key, e.value)
		}
	}
}

// items gives every item of a list to take.
func (d *decoder) items(take target) target {
	return func(path string, n *node) {
		if d.about != nil {
			d.inList++
			d.describeEach(kindList, path+"[]", take)
			d.inList--
			return
		}
		if n.kind != list {
			d.refuse(n, path, "a list")
			return
		}
		for i, v := range n.items {
			take(path+"["+strconv.Itoa(i)+"]", v)
		}
	}
}

func (d *decoder) whole(out *int, low, high int) target {
	return func(path string, n *node) {
		want := fmt.Sprintf("%d to %d", low, high)
		if d.describe(Field{Kind: kindWhole, Allowed: want, Default: shown(*out), least: float64(low), most: float64(high)}) {
			return
		}
		v, ok := n.value.(int64)
		if !ok {
			want = "a whole number from " + want
		}
		if !ok || v < int64(low) || v > int64(high) {
			d.refuse(n, path, want)
			return
		}
		*out = int(v)
	}
}

func (d *decoder) seed(out *uint64) target {
	return func(path string, n *node) {
		if d.describe(Field{Kind: kindWhole, Allowed: "0 or more", Default: shown(*out), most: math.MaxUint64}) {
			return
		}
		switch v := n.value.(type) {
		case int64:
			if v >= 0 {
				*out = uint64(v)
				return
			}
		case uint64:
			*out = v
			return
		}
		d.refuse(n, path, "a whole number from 0")
	}
}

// number takes a number from 0 to high.
func (d *decoder) number(out *float64, high float64) target {
	return func(path string, n *node) {
		want := "0 to " + strconv.FormatFloat(high, 'f', -1, 64)
		if d.describe(Field{Kind: kindNumber, Allowed: want, Default: shown(*out), most: high}) {
			return
		}
		v := math.NaN()
		switch x := n.value.(type) {
		case int64:
			v = float64(x)
		case float64:
			v = x
		}
		if !(v >= 0 && v <= high) { // also false for NaN
			d.refuse(n, path, want)
			return
		}
		*out = v
	}
}

func (d *decoder) yes(out *bool) target {
	return func(path string, n *node) {
		if d.describe(Field{Kind: kindBool, Allowed: "true or false", Default: shown(*out)}) {
			return
		}
		v, ok := n.value.(bool)
		if !ok {
			d.refuse(n, path, "true or false")
			return
		}
		*out = v
	}
}

func (d *decoder) words(out *string) target {
	return func(path string, n *node) {
		if d.describe(Field{Kind: kindText, Allowed: "text", Default: *out}) {
			return
		}
		v, ok := n.value.(string)
		if !ok {
			d.refuse(n, path, "text")
			return
		}
		*out = v
	}
}

// match takes text that a pattern allows; want says in words what that is.
func (d *decoder) match(out *string, pattern *regexp.Regexp, want string) target {
	return func(path string, n *node) {
		if d.describe(Field{Kind: kindText, Allowed: want, Default: *out, pattern: pattern.String()}) {
			return
		}
		v, ok := n.value.(string)
		if !ok || !pattern.MatchString(v) {
			d.refuse(n, path, want)
			return
		}
		*out = v
	}
}

func (d *decoder) choice(out *string, allowed ...string) target {
	return func(path string, n *node) {
		want := "one of " + strings.Join(allowed, ", ")
		if d.describe(Field{Kind: kindText, Allowed: want, Default: *out, choices: allowed}) {
			return
		}
		v, ok := n.value.(string)
		if !ok || !slices.Contains(allowed, v) {
			d.refuse(n, path, want)
			return
		}
		*out = v
	}
}

func (d *decoder) duration(out *time.Duration, low, high time.Duration) target {
	return func(path string, n *node) {
		want := fmt.Sprintf("a duration from %s to %s, as in 250ms or 1m30s", low, high)
		if d.describe(Field{Kind: kindDuration, Allowed: fmt.Sprintf("%s to %s", low, high), Default: shown(*out)}) {
			return
		}
		v, err := time.Duration(0), error(nil)
		if s, ok := n.value.(string); ok {
			v, err = time.ParseDuration(s)
		} else if n.value != int64(0) {
			err = strconv.ErrSyntax
		}
		if err != nil || v < low || v > high {
			d.refuse(n, path, want)
			return
		}
		*out = v
	}
}

func (d *decoder) bytes(out *Bytes, high Bytes) target {
	return func(path string, n *node) {
		if d.describe(Field{Kind: kindBytes, Allowed: "0 to " + high.String(), Default: shown(*out)}) {
			return
		}
		s, _ := n.scalar()
		v, ok := parseBytes(s)
		if !ok || v > high {
			d.refuse(n, path, fmt.Sprintf("0 to %s, as in 256MiB", high))
			return
		}
		*out = v
	}
}

// parseBytes reads an amount of memory with or without a unit: 64KiB, 64kib, 64K and 64k are the same, as in the gateway's settings.
func parseBytes(s string) (Bytes, bool) {
	digits := strings.TrimRight(s, "BKMGiTkmgtb")
	unit, ok := map[string]float64{
		"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
		"k": 1 << 10, "m": 1 << 20, "g": 1 << 30,
	}[strings.ToLower(s[len(digits):])]
	v, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || !(v >= 0 && v*unit < math.MaxInt64) {
		return 0, false
	}
	return Bytes(v * unit), true
}
