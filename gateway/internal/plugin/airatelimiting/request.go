package airatelimiting

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"slices"

	"github.com/valyala/fasthttp"
)

// order is what a request to a model asks for, as far as it says.
type order struct {
	model      string
	completion int64 // tokens of the answer, at most; -1: not said
}

var (
	errRepeated = errors.New("a member of the request is there twice")
	errModel    = errors.New("model is no text")
)

// longestModel is how long the name of a model may be, in bytes.
const longestModel = 256

// readOrder reads a request's JSON. What is no JSON object asks for nothing in particular. A member that decides and is there twice is an
// error: the upstream might take the other one.
func readOrder(body []byte) (order, error) {
	o := order{completion: -1}
	choices := int64(1)
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return o, nil //nolint:nilerr // no JSON object
	}
	var seen []string
	for d.More() {
		t, err := d.Token()
		key, ok := t.(string)
		var value json.RawMessage
		if err != nil || !ok || d.Decode(&value) != nil {
			return order{completion: -1}, nil //nolint:nilerr // no JSON
		}
		switch key {
		case "model", "max_tokens", "max_completion_tokens", "max_output_tokens", "n":
			if slices.Contains(seen, key) {
				return o, errRepeated
			}
			seen = append(seen, key)
		}
		switch key {
		case "model":
			if json.Unmarshal(value, &o.model) != nil || len(o.model) > longestModel {
				return o, errModel
			}
		case "max_tokens", "max_completion_tokens", "max_output_tokens":
			o.completion = max(o.completion, number(value))
		case "n":
			choices = max(1, number(value))
		}
	}
	if o.completion >= 0 {
		o.completion = min(o.completion*min(choices, 1<<10), mostTokens)
	}
	return o, nil
}

// number is a JSON number that is whole and not negative; -1 for anything else.
func number(text json.RawMessage) int64 {
	var f float64
	if json.Unmarshal(text, &f) != nil || f < 0 || f != math.Trunc(f) {
		return -1
	}
	return int64(min(f, mostTokens))
}

// asks reports whether a request may cost tokens: those without a body, such as a list of models, do not.
func asks(r *fasthttp.Request) bool { return !r.Header.IsGet() && !r.Header.IsHead() }
