// Package shipped finds the files that come with the project: those of the checkout that is the
// working directory, and otherwise the copies in the program.
package shipped

import (
	"embed"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/gatelab/gatelab/prices"
	"github.com/gatelab/gatelab/scenarios"
)

// folders are the copies, by the folder of the project.
var folders = map[string]embed.FS{"scenarios": scenarios.Files, "prices": prices.Files}

// ReadFile reads a file. One that does not exist, and whose name is that of a file of the
// project (such as scenarios/ladder.yaml), is read from the copy in the program. The error
// is that of os.ReadFile.
func ReadFile(name string) ([]byte, error) {
	b, err := os.ReadFile(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	if files, rest, ok := find(name); ok {
		if copied, copyErr := files.ReadFile(rest); copyErr == nil {
			return copied, nil
		}
	}
	return nil, err
}

// Glob lists the files of a folder that match a pattern without folders, such as *.yaml,
// sorted by name. Of a folder that does not exist it lists the copies in the program.
func Glob(dir, pattern string) ([]string, error) {
	if _, err := os.Stat(dir); err == nil {
		return filepath.Glob(filepath.Join(dir, pattern))
	}
	files, rest, ok := find(dir)
	if !ok {
		return nil, nil
	}
	names, err := fs.Glob(files, path.Join(rest, pattern))
	for i, name := range names {
		names[i] = path.Join(filepath.Dir(dir), filepath.Base(dir), path.Base(name))
	}
	return names, err
}

// find is the copy of a relative name's first folder, and the name in it.
func find(name string) (files embed.FS, rest string, ok bool) {
	first, rest, _ := strings.Cut(filepath.ToSlash(filepath.Clean(name)), "/")
	files, ok = folders[first]
	if rest == "" {
		rest = "."
	}
	return files, rest, ok
}
