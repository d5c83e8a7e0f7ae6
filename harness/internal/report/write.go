package report

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

// The files that Write makes in a run's folder.
const (
	FileJSON     = "result.json"
	FileMarkdown = "report.md"
	FileHTML     = "report.html"
	FileBench    = "bench.txt"
	FileLadder   = "ladder.svg"
	FileTimeline = "timeline.svg" // of an experiment
	DirHistogram = "histograms"
)

//go:embed result.schema.json
var schemaFile []byte

// Schema is the JSON Schema of result.json.
func Schema() []byte { return bytes.Clone(schemaFile) }

// Write settles r and writes every format of it into dir, which it makes.
// result.json comes last: where it is, the others are whole. An error names the
// file; what was written before it stays.
func Write(dir string, r *Result) error {
	r.Settle()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if err := writeHistograms(dir, r.Histograms); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	files := []format{
		{FileMarkdown, Markdown}, {FileHTML, HTML}, {FileBench, Bench}, {FileLadder, LadderSVG}, {FileJSON, JSON},
	}
	if len(r.Capacity) > 0 {
		files = append([]format{{FileCapacity, CapacitySVG}}, files...)
	}
	if r.Experiment != nil {
		files = append([]format{{FileTimeline, TimelineSVG}}, files...)
	}
	for _, f := range files {
		var b bytes.Buffer
		if err := f.write(&b, r); err != nil {
			return fmt.Errorf("write report: %s: %w", f.name, err)
		}
		if b.Len() == 0 {
			continue // this run has none
		}
		if err := replace(filepath.Join(dir, f.name), b.Bytes()); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	return nil
}

// format is one file of a report.
type format struct {
	name  string
	write func(io.Writer, *Result) error
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
		if err := replace(filepath.Join(dir, name), files[name]); err != nil {
			return err
		}
	}
	return nil
}

// replace writes a file whole or not at all: a disk that fills up must not
// leave half a report under its name.
func replace(path string, b []byte) error {
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

// Parse reads the text of a result.json.
func Parse(b []byte) (*Result, error) {
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, err
	}
	if head.Schema != SchemaV1 {
		return nil, fmt.Errorf("schema %q is not allowed: want %q", head.Schema, SchemaV1)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	r := new(Result)
	if err := d.Decode(r); err != nil {
		return nil, err
	}
	return r, nil
}
