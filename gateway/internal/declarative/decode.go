// Package declarative reads and writes a whole configuration as one file in Kong's
// declarative format, which is decK's, too. What a file declares is validated by
// the schemas of the Admin API and gets the same defaults.
package declarative

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// The keys of a file that are about the file.
const (
	keyVersion   = "_format_version"
	keyTransform = "_transform"
	keyComment   = "_comment"
	keyIgnore    = "_ignore"
	keyInfo      = "_info"
	keyShared    = "_plugin_configs"
	keyWorkspace = "_workspace"
)

// versions are the values of _format_version, those of Kong.
var versions = []string{"1.1", "2.1", "3.0"}

// EmptyHash is the hash where there is no configuration, as in Kong.
const EmptyHash = "00000000000000000000000000000000"

// Decode reads YAML or JSON into maps, lists, strings, booleans, int64, float64
// and nil. It takes a single document, in which no key of an object is there
// twice and no text has a NUL, and bounds what aliases make of it.
func Decode(data []byte) (map[string]any, error) {
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return nil, errText
	}
	if mostValues(data) > maxValues {
		return nil, fmt.Errorf("want at most %d values: a value takes more memory than its text", maxValues)
	}
	if trimmed := bytes.TrimSpace(data); len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(trimmed) {
		d := json.NewDecoder(bytes.NewReader(trimmed))
		d.UseNumber()
		v, err := decodeJSON(d)
		if err != nil {
			return nil, err
		}
		return object(v)
	}
	v, err := decodeYAML(data)
	if err != nil {
		return nil, fmt.Errorf("want YAML or JSON: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return object(v)
}

// maxValues bounds the memory that a file takes: about 300 bytes for each value
// while it is decoded. Without it, a file of 64 MiB can take 8 GiB.
const maxValues = 5_000_000

// mostValues is how many values and keys there are in YAML or JSON at most: all but
// the first have a mark before or behind them.
func mostValues(data []byte) (n int) {
	for i, c := range data {
		switch c {
		case ',', '[', '{', '?':
			n++
		case '-':
			if i+1 < len(data) && isBlank(data[i+1]) {
				n++
			}
		case ':': // of a key and its value; a URL has none
			if i+1 < len(data) && data[i+1] != '/' {
				n += 2
			}
		}
	}
	return n
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

var errText = errors.New("want UTF-8 text without NUL")

// decodeYAML leaves it to the decoder to refuse what is too deep, and aliases that
// make much of little.
func decodeYAML(data []byte) (any, error) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc, next yaml.Node
	if err := d.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch err := d.Decode(&next); {
	case err == nil && (len(next.Content) == 0 || next.Content[0].ShortTag() != "!!null"):
		return nil, fmt.Errorf("line %d: a second document: want one", next.Line)
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	}
	keepDates(&doc)
	var v any
	if doc.IsZero() {
		return nil, nil
	}
	err := doc.Decode(&v)
	return v, err
}

// keepDates has dates stay the text that they are.
func keepDates(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!timestamp" {
		n.Tag = "!!str"
	}
	for _, c := range n.Content {
		keepDates(c)
	}
}

// decodeJSON reads the next value of valid JSON.
func decodeJSON(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		out := map[string]any{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			name, _ := key.(string)
			if _, ok := out[name]; ok {
				return nil, fmt.Errorf("the key %.100q is there twice in an object", name)
			}
			if out[name], err = decodeJSON(d); err != nil {
				return nil, err
			}
		}
		_, err = d.Token()
		return out, err
	case json.Delim('['):
		out := []any{}
		for d.More() {
			e, err := decodeJSON(d)
			if err != nil {
				return nil, err
			}
			out = append(out, e)
		}
		_, err = d.Token()
		return out, err
	}
	return token, nil
}

func object(v any) (map[string]any, error) {
	m, ok := plain(v).(map[string]any)
	if !ok {
		return nil, fmt.Errorf("want an object with %s and lists of entities", keyVersion)
	}
	if hasNUL(m) {
		return nil, errText
	}
	return m, nil
}

// hasNUL tells whether a text has one, which an escape can make.
func hasNUL(v any) bool {
	switch x := v.(type) {
	case string:
		return strings.IndexByte(x, 0) >= 0
	case []any:
		return slices.ContainsFunc(x, hasNUL)
	case map[string]any:
		for k, e := range x {
			if hasNUL(k) || hasNUL(e) {
				return true
			}
		}
	}
	return false
}

// plain turns the decoders' types into those of entity.Record.
func plain(v any) any {
	switch x := v.(type) {
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return n
		}
		f, err := x.Float64()
		if err != nil {
			return x.String()
		}
		return f
	case uint64:
		if x > math.MaxInt64 {
			return float64(x)
		}
		return int64(x)
	case int:
		return int64(x)
	case map[string]any:
		for k, e := range x {
			x[k] = plain(e)
		}
	case map[any]any:
		m := make(map[string]any, len(x))
		for k, e := range x {
			m[fmt.Sprint(k)] = plain(e)
		}
		return m
	case []any:
		for i, e := range x {
			x[i] = plain(e)
		}
	}
	return v
}

// hashOf identifies what a file says, whatever its layout: 32 hexadecimal digits,
// as Kong's hash has.
func hashOf(root map[string]any) string {
	raw, err := json.Marshal(root)
	if err != nil { // NaN and the like
		raw = fmt.Append(nil, root)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16])
}
