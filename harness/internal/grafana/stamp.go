package grafana

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// stampPrefix begins the tag with which an imported dashboard carries a sum of itself: tags survive every editor. As long as the dashboard
// in Grafana still has that sum, it was not changed there. If a Grafana rewrites what it stores, dashboards look changed: an import may
// then refuse too much, and never overwrites too much.
const stampPrefix = "gatelab-sum:"

// sumLength is in hexadecimal digits: it detects changes, not attacks.
const sumLength = 16

// boardSum is the sum of a dashboard's model without what Grafana adds (id,
// version) and without the stamp.
func boardSum(model map[string]any) (string, error) {
	m := maps.Clone(model)
	delete(m, "id")
	delete(m, "version")
	m["tags"] = slices.DeleteFunc(tagsOf(model), isStamp)
	return sum(m)
}

func sum(v any) (string, error) {
	text, err := json.Marshal(v) // keys are sorted
	if err != nil {
		return "", fmt.Errorf("sum: %w", err)
	}
	digest := sha256.Sum256(text)
	return hex.EncodeToString(digest[:])[:sumLength], nil
}

func stamp(model map[string]any, sum string) {
	model["tags"] = append(slices.DeleteFunc(tagsOf(model), isStamp), stampPrefix+sum)
}

// stampOf is the sum with which a model was imported; empty when it was not.
func stampOf(model map[string]any) string {
	for _, t := range tagsOf(model) {
		if isStamp(t) {
			return strings.TrimPrefix(t, stampPrefix)
		}
	}
	return ""
}

func isStamp(tag string) bool { return strings.HasPrefix(tag, stampPrefix) }

// tagsOf are a model's tags, as a slice of its own.
func tagsOf(model map[string]any) []string {
	out := []string{}
	switch tags := model["tags"].(type) {
	case []any:
		for _, t := range tags {
			if s, ok := t.(string); ok {
				out = append(out, s)
			}
		}
	case []string:
		out = append(out, tags...)
	}
	return out
}
