package runner

import (
	"fmt"
	"os"
	"path/filepath"

	"gatelab/harness/internal/report"
)

// write puts the report into runs/<id> and points the latest links at it.
func (r *run) write() (string, error) {
	dir := filepath.Join(r.Reports, "runs", r.id)
	if err := report.Write(dir, r.result); err != nil {
		return "", err
	}
	if err := r.writeLogs(filepath.Join(dir, "logs")); err != nil {
		return "", err
	}
	for _, link := range []string{"latest", "latest-" + r.name} {
		if err := point(filepath.Join(r.Reports, link), filepath.Join("runs", r.id)); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// writeLogs puts the end of what each node wrote beside the report.
func (r *run) writeLogs(dir string) error {
	if len(r.logs) == 0 {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write the nodes' logs: %w", err)
	}
	for name, text := range r.logs {
		if err := os.WriteFile(filepath.Join(dir, name+".log"), []byte(text+"\n"), 0o644); err != nil { //nolint:gosec // a report
			return fmt.Errorf("write the nodes' logs: %w", err)
		}
	}
	return nil
}

// point makes a symbolic link, in one step where one is there already.
func point(link, to string) error {
	next := link + ".new"
	_ = os.Remove(next)
	if err := os.Symlink(to, next); err != nil {
		return fmt.Errorf("link %s: %w", link, err)
	}
	if err := os.Rename(next, link); err != nil {
		return fmt.Errorf("link %s: %w", link, err)
	}
	return nil
}
