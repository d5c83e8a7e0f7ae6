// Package declarative reads and writes a whole configuration as one file in Kong's
// declarative format, which is decK's, too. What a file declares is validated by
// the schemas of the Admin API and gets the same defaults.
package declarative

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
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

// decode reads YAML or JSON into maps, lists, strings, booleans, int64, float64
// and nil.
func decode(data []byte) (map[string]any, error) {
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return nil, fmt.Errorf("want UTF-8 text without NUL")
	}
	var v any
	if trimmed := bytes.TrimSpace(data); len(trimmed) > 0 && trimmed[0] == '{' {
		d := json.NewDecoder(bytes.NewReader(trimmed))
		d.UseNumber()
		if err := d.Decode(&v); err == nil && !d.More() {
			return object(v)
		}
		v = nil
	}
	if err := yaml.Unmarshal(data, &v); err != nil {
		return nil, fmt.Errorf("want YAML or JSON: %s", yaml.FormatError(err, false, false))
	}
	return object(v)
}

func object(v any) (map[string]any, error) {
	m, ok := plain(v).(map[string]any)
	if !ok {
		return nil, fmt.Errorf("want an object with %s and lists of entities", keyVersion)
	}
	return m, nil
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
