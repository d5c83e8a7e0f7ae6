package entity

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Reference stands for a value that is kept outside the configuration, as
// Kong writes it: {vault://env/name}, {vault://env/name/key?prefix=APP_#1}.
type Reference struct {
	Vault    string // "env"
	Resource string // what to look up
	Key      string // a member of the resource, which is a JSON object then; "" for the whole
	Prefix   string // put before the resource's name
}

const referencePrefix = "{vault://"

// EnvVault is the one vault that the gateway has: its own environment.
const EnvVault = "env"

// ParseReference reads a reference. ok says that s is meant as one, which it is
// when it begins with {vault://; the error says what is wrong with it, or that
// it names a vault that the gateway does not have.
func ParseReference(s string) (ref Reference, ok bool, err error) {
	inner, ok := strings.CutPrefix(s, referencePrefix)
	if !ok {
		return Reference{}, false, nil
	}
	inner, closed := strings.CutSuffix(inner, "}")
	if !closed {
		return Reference{}, true, fmt.Errorf("reference %s: must end with }", s)
	}
	u, err := url.Parse("vault://" + inner)
	switch {
	case err != nil:
		return Reference{}, true, fmt.Errorf("reference %s: must be {vault://env/NAME}", s)
	case u.Host != EnvVault || u.User != nil:
		return Reference{}, true, fmt.Errorf("reference %s: vault %q does not exist; expected one of: %s", s, u.Host, EnvVault)
	case u.Fragment != "":
		// Kong takes versions for vaults that keep several; the environment has one.
		return Reference{}, true, fmt.Errorf("reference %s: #%s: the environment has no versions", s, u.Fragment)
	}
	ref = Reference{Vault: u.Host, Resource: strings.TrimPrefix(u.Path, "/")}
	if i := strings.LastIndexByte(ref.Resource, '/'); i >= 0 {
		ref.Resource, ref.Key = ref.Resource[:i], ref.Resource[i+1:]
	}
	if err := ref.options(u.RawQuery); err != nil {
		return Reference{}, true, fmt.Errorf("reference %s: %w", s, err)
	}
	if err := ref.checkName(); err != nil {
		return Reference{}, true, fmt.Errorf("reference %s: %w", s, err)
	}
	return ref, true, nil
}

func (r *Reference) options(query string) error {
	options, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("the options after ? cannot be read")
	}
	for name, values := range options {
		if name != "prefix" || len(values) != 1 {
			return fmt.Errorf("option %q: expected prefix, once", name)
		}
		r.Prefix = values[0]
	}
	return nil
}

// checkName refuses what cannot be the name of an environment variable.
func (r *Reference) checkName() error {
	if r.Resource == "" {
		return errors.New("names no variable")
	}
	for i, c := range []byte(r.EnvName()) {
		if c != '_' && (c < 'A' || 'Z' < c) && (c < '0' || '9' < c || i == 0) {
			return fmt.Errorf("%q cannot be the name of an environment variable: allowed are letters, digits, _ and -", r.Prefix+r.Resource)
		}
	}
	return nil
}

// EnvName is the environment variable that the reference is about: upper case,
// with _ for -.
func (r *Reference) EnvName() string {
	return strings.ToUpper(strings.ReplaceAll(r.Prefix+r.Resource, "-", "_"))
}

// Value is what the reference stands for; lookup is os.LookupEnv. The error
// names the variable, never its value.
func (r *Reference) Value(lookup func(name string) (string, bool)) (string, error) {
	name := r.EnvName()
	text, ok := lookup(name)
	if !ok {
		return "", fmt.Errorf("environment variable %s is not set", name)
	}
	if r.Key == "" {
		return text, nil
	}
	var members map[string]any
	if json.Unmarshal([]byte(text), &members) != nil {
		return "", fmt.Errorf("environment variable %s is not a JSON object, so it has no member %q", name, r.Key)
	}
	value, ok := members[r.Key].(string)
	if !ok {
		return "", fmt.Errorf("environment variable %s has no member %q that is a string", name, r.Key)
	}
	return value, nil
}

// Resolve puts the values of references in their place, in every field that
// may hold one. It changes r, which for plugins is the whole entity with its
// config. The error names the first field that cannot be resolved.
func (s *Schema) Resolve(r Record, lookup func(name string) (string, bool)) error {
	return resolve(s.fieldsOf(r), r, "", lookup)
}

func resolve(fields []Field, r Record, at string, lookup func(string) (string, bool)) error {
	for i := range fields {
		f := &fields[i]
		switch v := r[f.Name].(type) {
		case string:
			ref, ok, err := ParseReference(v)
			if !ok || !f.Referenceable {
				continue
			}
			if err == nil {
				r[f.Name], err = ref.Value(lookup)
			}
			if err != nil {
				return fmt.Errorf("field %s: %w", at+f.Name, err)
			}
		case map[string]any:
			fields := f.Fields
			if f.Kind == Map && f.Elements != nil {
				fields = f.members(v)
			}
			if err := resolve(fields, v, at+f.Name+".", lookup); err != nil {
				return err
			}
		}
	}
	return nil
}

// members are the values of a map as fields.
func (f *Field) members(m map[string]any) []Field {
	fields := make([]Field, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		member := *f.Elements
		member.Name = name
		fields = append(fields, member)
	}
	return fields
}

// isReference says whether a field's value stands for another one, which no
// check of the value itself can be made of.
func isReference(v any) bool {
	s, _ := v.(string)
	_, ok, err := ParseReference(s)
	return ok && err == nil
}

func referenceable(f *Field) { f.Referenceable = true }

// badReference is the message for a referenceable field that holds a
// reference which nothing can be found by, "" otherwise.
func badReference(s string) string {
	if _, ok, err := ParseReference(s); ok && err != nil {
		return "invalid value " + strconv.Quote(s) + ": " + err.Error()
	}
	return ""
}
