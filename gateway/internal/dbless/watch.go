package dbless

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

const textSource = "declarative_config_string"

// Start loads the first configuration, where there is one to load. A configuration
// that is rejected is an error: nothing could be served.
func (s *Store) Start() error {
	var err error
	switch {
	case s.config.Text != "":
		_, err = s.Load([]byte(s.config.Text), textSource, false)
	case s.config.Path != "":
		var data []byte
		if data, err = readFile(s.config.Path); err == nil {
			_, err = s.Load(data, s.config.Path, false)
		}
		if err != nil {
			err = fmt.Errorf("declarative_config=%q:\n%w", s.config.Path, err)
		}
	}
	return err
}

// MaxBytes is the longest configuration.
const MaxBytes = 64 << 20

// readFile reads a file of a bounded length. What is no file, such as a pipe or a
// device, might never end.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the file
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the file
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err == nil && len(data) > MaxBytes {
		err = fmt.Errorf("%s is longer than %d MiB", path, MaxBytes>>20)
	}
	return data, err
}

// Run loads the file again whenever it changes, until ctx ends: one that was
// replaced (a rename, the symbolic links of a Kubernetes ConfigMap) at once, one
// that is written in place when it was left alone between two looks, because it
// may be there only in part.
func (s *Store) Run(ctx context.Context) error {
	if s.config.Path == "" {
		<-ctx.Done()
		return nil
	}
	w := watcher{path: s.config.Path}
	w.used, _ = os.Stat(w.path)
	ticker := time.NewTicker(s.config.Poll)
	defer ticker.Stop()
	// What changed between Start and the first look is read, too.
	for due := true; ; due = w.due() {
		if due {
			s.reread(&w)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// watcher notices changes of a file.
type watcher struct {
	path   string
	used   fs.FileInfo // as it was read
	seen   fs.FileInfo // at the last look
	failed string      // the last error of reading it, which is reported once
}

// due reports whether the file is to be read.
func (w *watcher) due() bool {
	now, err := os.Stat(w.path)
	if err != nil {
		return w.failed != err.Error()
	}
	before := w.seen
	w.seen = now
	switch {
	case w.used == nil || !os.SameFile(now, w.used):
	case same(now, w.used):
		return false
	case before == nil || !same(now, before):
		return false // it is being written
	}
	return true
}

func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// reread loads the file, unless it says what is in use.
func (s *Store) reread(w *watcher) {
	info, err := os.Stat(w.path)
	var data []byte
	if err == nil {
		data, err = readFile(w.path)
	}
	if err != nil {
		w.failed = err.Error()
		s.failed(w.path, err)
		return
	}
	w.used, w.failed = info, ""
	_, _ = s.Load(data, w.path, true) // Load reports its errors
}
