package result

import (
	"bytes"
	_ "embed" // the schema of result.json
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// What a run's folder holds: the result, and the reports that are made from it.
const (
	FileJSON     = "result.json"
	DirHistogram = "histograms"
	FileMarkdown = "report.md"
	FileHTML     = "report.html"
	FileBench    = "bench.txt"
	FileLadder   = "ladder.svg"
	FileJUnit    = "junit.xml"
	FileCapacity = "capacity.svg" // latency against rate, of a capacity search
	FileTimeline = "timeline.svg" // of an experiment
)

//go:embed result.schema.json
var schemaFile []byte

// Schema is the JSON Schema of result.json.
func Schema() []byte { return bytes.Clone(schemaFile) }

// Write settles r and writes it into dir, which it makes: the histograms, then
// result.json.
func (r *Result) Write(dir string) error {
	r.Settle()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	if err := writeHistograms(dir, r.Histograms); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	var b bytes.Buffer
	if err := JSON(&b, r); err != nil {
		return fmt.Errorf("write result: %s: %w", FileJSON, err)
	}
	if err := WriteFile(filepath.Join(dir, FileJSON), b.Bytes()); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

func writeHistograms(dir string, files map[string][]byte) error {
	if len(files) == 0 {
		return nil
	}
	dir = filepath.Join(dir, DirHistogram)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !filepath.IsLocal(name) || filepath.Base(name) != name {
			return fmt.Errorf("histogram %q: want a file name without a folder", name)
		}
		if err := WriteFile(filepath.Join(dir, name), files[name]); err != nil {
			return err
		}
	}
	return nil
}

// WriteFile writes a file whole or not at all: a disk that fills up must not leave
// half a report under its name.
func WriteFile(path string, b []byte) error {
	tmp := path + ".part"
	if err := os.WriteFile(tmp, b, 0o644); err != nil {
		os.Remove(tmp)
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		os.Remove(tmp)
		return err
	}
	return nil
}

// JSON writes result.json. The Result must be settled.
func JSON(w io.Writer, r *Result) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// Read reads a result.json, with the histograms beside it, so that a report can
// be made again. Fields that this version does not know are an error: dropping
// them silently would lose them at the next Write.
func Read(path string) (*Result, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	r, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("read result: %s: %w", path, err)
	}
	dir := filepath.Join(filepath.Dir(path), DirHistogram)
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("read result: %w", err)
	}
	for _, e := range entries {
		h, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read result: %w", err)
		}
		if r.Histograms == nil {
			r.Histograms = map[string][]byte{}
		}
		r.Histograms[e.Name()] = h
	}
	return r, nil
}

// Parse reads the text of a result.json, of this version of the schema or of an
// earlier one. The Result has the schema that was read until it is settled.
func Parse(b []byte) (*Result, error) {
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, err
	}
	switch head.Schema {
	case SchemaV2:
	case SchemaV1:
		var err error
		if b, err = fromV1(b); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("schema %q is not allowed: want %q or %q", head.Schema, SchemaV2, SchemaV1)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	r := new(Result)
	if err := d.Decode(r); err != nil {
		return nil, err
	}
	return r, nil
}

// fromV1 renames the fields of a v1 result that v2 calls otherwise.
func fromV1(b []byte) ([]byte, error) {
	const before, now = "time_to_detect_ms", "impact_ms"
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(b, &whole); err != nil {
		return nil, err
	}
	if whole["faults"] == nil {
		return b, nil
	}
	var faults []map[string]json.RawMessage
	if err := json.Unmarshal(whole["faults"], &faults); err != nil {
		return nil, fmt.Errorf("faults: %w", err)
	}
	for i, f := range faults {
		if _, ok := f[now]; ok {
			return nil, fmt.Errorf("faults[%d]: unknown field %q in %s", i, now, SchemaV1)
		}
		if v, ok := f[before]; ok {
			f[now] = v
			delete(f, before)
		}
	}
	var err error
	if whole["faults"], err = json.Marshal(faults); err != nil {
		return nil, err
	}
	return json.Marshal(whole)
}
