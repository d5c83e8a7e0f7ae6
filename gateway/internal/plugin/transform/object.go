package transform

import (
	"bytes"
	"encoding/json"
	"errors"
	"mime"
	"slices"
	"strings"
)

// errNotObject says that a body is no JSON object.
var errNotObject = errors.New("the body is no JSON object")

// Object is a JSON object that is changed member by member. What is not changed
// stays as it was written, numbers of any length too, in its order.
type Object struct{ members []member }

type member struct {
	name  string
	key   []byte // the name as it is written, with its quotes
	value json.RawMessage
}

// ParseObject reads a body. It takes nothing but one object.
func ParseObject(body []byte) (*Object, error) {
	if !json.Valid(body) {
		return nil, errNotObject
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errNotObject
	}
	o := &Object{}
	for d.More() {
		var m member
		before := d.InputOffset()
		name, err := d.Token()
		if err != nil {
			return nil, errNotObject
		}
		m.name, _ = name.(string)
		m.key = bytes.TrimLeft(body[before:d.InputOffset()], ", \t\r\n")
		if err := d.Decode(&m.value); err != nil {
			return nil, errNotObject
		}
		o.members = append(o.members, m)
	}
	return o, nil
}

// Bytes is the object as it is now.
func (o *Object) Bytes() []byte {
	out := []byte{'{'}
	for i, m := range o.members {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, m.key...), ':'), m.value...)
	}
	return append(out, '}')
}

func (o *Object) find(name string) int {
	// The last one counts where a name is there twice, as for most readers.
	for i, m := range slices.Backward(o.members) {
		if m.name == name {
			return i
		}
	}
	return -1
}

// Has tells whether there is a member of that name.
func (o *Object) Has(name string) bool { return o.find(name) >= 0 }

// Remove drops the member, if there is one, and tells whether there was.
func (o *Object) Remove(name string) bool {
	had := len(o.members)
	o.members = slices.DeleteFunc(o.members, func(m member) bool { return m.name == name })
	return len(o.members) < had
}

// Rename gives a member another name; a member that had that one is dropped. It
// tells whether there was one to rename.
func (o *Object) Rename(name, to string) bool {
	i := o.find(name)
	if i < 0 {
		return false
	}
	if name == to {
		return true
	}
	value := o.members[i].value
	o.Remove(to)
	o.Set(name, value)
	i = o.find(name)
	o.members[i].name, o.members[i].key = to, quote(to)
	return true
}

// Set gives a member a value; it is made where there is none.
func (o *Object) Set(name string, value json.RawMessage) {
	i := o.find(name)
	if i < 0 {
		o.members = append(o.members, member{name, quote(name), value})
		return
	}
	m := o.members[i]
	m.value = value
	at := slices.IndexFunc(o.members, func(m member) bool { return m.name == name })
	o.Remove(name)
	o.members = slices.Insert(o.members, at, m)
}

// Append puts a value at the end of a member that is a list, and makes a list of a
// member that is a string. As in Kong a value of another kind, or none, becomes a
// list of the new one alone; an object is left as it is.
func (o *Object) Append(name string, value json.RawMessage) {
	list := []json.RawMessage{}
	if i := o.find(name); i >= 0 {
		switch had := o.members[i].value; had[0] {
		case '"':
			list = append(list, had)
		case '[':
			_ = json.Unmarshal(had, &list) // it is valid
		case '{':
			return
		}
	}
	made := append([]byte{'['}, bytes.Join(asBytes(append(list, value)), []byte{','})...)
	o.Set(name, append(made, ']'))
}

func asBytes(list []json.RawMessage) [][]byte {
	out := make([][]byte, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

// Text is a string as JSON.
func Text(s string) json.RawMessage { return quote(s) }

func quote(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string can always be
	return bytes.TrimRight(b.Bytes(), "\n")
}

// MediaType is a Content-Type without its parameters, in lower case, and the
// parameter boundary. Parameters that are wrong, or another type behind a comma, do
// not hide it: who reads the body may not care.
func MediaType(contentType []byte) (kind, boundary string) {
	kind, params, err := mime.ParseMediaType(string(contentType))
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		kind, _, _ = strings.Cut(string(contentType), ";")
		kind, _, _ = strings.Cut(kind, ",")
		return strings.ToLower(strings.TrimSpace(kind)), ""
	}
	return kind, params["boundary"]
}

// IsCoded tells whether a body is in another form than its media type says: it
// is compressed, for instance, and cannot be changed as it is.
func IsCoded(contentEncoding []byte) bool {
	return len(contentEncoding) > 0 && !bytes.EqualFold(contentEncoding, []byte("identity"))
}
