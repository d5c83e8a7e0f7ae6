package resulttest

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/gatelab/gatelab/harness/internal/result"
)

// Violations lists what in the text of a result.json does not match the committed
// schema, each with its place.
func Violations(t testing.TB, b []byte) []string {
	t.Helper()
	parse := func(b []byte) any {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	const address = "result.schema.json"
	if err := c.AddResource(address, parse(result.Schema())); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(address)
	if err != nil {
		t.Fatal(err)
	}
	var wrong *jsonschema.ValidationError
	switch err := schema.Validate(parse(b)); {
	case err == nil:
		return nil
	case !errors.As(err, &wrong):
		t.Fatal(err)
	}
	return leaves(wrong)
}

// leaves are the causes that have no cause of their own.
func leaves(e *jsonschema.ValidationError) []string {
	if len(e.Causes) == 0 {
		english := message.NewPrinter(language.English)
		return []string{"/" + strings.Join(e.InstanceLocation, "/") + ": " + e.ErrorKind.LocalizedString(english)}
	}
	var out []string
	for _, c := range e.Causes {
		out = append(out, leaves(c)...)
	}
	return out
}
