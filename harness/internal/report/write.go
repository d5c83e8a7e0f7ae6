package report

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gatelab/gatelab/harness/internal/result"
)

// Write settles r and writes every format of it into dir, which it makes.
// result.json comes last: where it is, the others are whole. An error names the
// file; what was written before it stays.
func Write(dir string, r *result.Result) error {
	r.Settle()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	for _, f := range formats(r) {
		var b bytes.Buffer
		if err := f.write(&b, r); err != nil {
			return fmt.Errorf("write report: %s: %w", f.name, err)
		}
		if b.Len() == 0 {
			continue // this run has none
		}
		if err := result.WriteFile(filepath.Join(dir, f.name), b.Bytes()); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	if err := r.Write(dir); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// format is one file of a report.
type format struct {
	name  string
	write func(io.Writer, *result.Result) error
}

// formats are the files of a report on r, without the result itself.
func formats(r *result.Result) []format {
	out := []format{{result.FileMarkdown, Markdown}, {result.FileHTML, HTML}, {result.FileBench, Bench}, {result.FileLadder, LadderSVG},
		{result.FileJUnit, JUnit}}
	if len(r.Capacity) > 0 {
		out = append(out, format{result.FileCapacity, CapacitySVG})
	}
	if r.Experiment != nil {
		out = append(out, format{result.FileTimeline, TimelineSVG})
	}
	return out
}
