package main

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// loadable is an entry of manifest.json, which `docker load` reads where the engine keeps images in its older store. Such an engine loads
// all entries, so each platform has a tag of its own.
type loadable struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// write makes the archive of a program.
func (r release) write(p program, path string) (err error) {
	folder, err := os.MkdirTemp("", "gatelab-images-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	var old []loadable
	for _, b := range r.binaries {
		img, err := r.image(p, b)
		if err != nil {
			return err
		}
		platform := b.platform
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &platform}})
		entry, err := asLoadable(img, p.repository()+":"+r.tag()+"-"+b.platform.Architecture)
		if err != nil {
			return err
		}
		old = append(old, entry)
	}
	// One name for all platforms: the specification's annotation, and that of containerd, which wants the whole name.
	named := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: index, Descriptor: v1.Descriptor{Annotations: map[string]string{
		"org.opencontainers.image.ref.name": r.tag(), "io.containerd.image.name": "docker.io/" + p.repository() + ":" + r.tag(),
	}}})
	if _, err := layout.Write(folder, named); err != nil {
		return err
	}
	text, err := json.Marshal(old)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "manifest.json"), text, 0o600); err != nil {
		return err
	}
	return r.pack(folder, path)
}

func asLoadable(img v1.Image, tag string) (loadable, error) {
	m, err := img.Manifest()
	if err != nil {
		return loadable{}, err
	}
	out := loadable{Config: blob(m.Config.Digest), RepoTags: []string{tag}}
	for _, l := range m.Layers {
		out.Layers = append(out.Layers, blob(l.Digest))
	}
	return out, nil
}

func blob(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

// pack writes a folder's files as a tar archive, in the order of their names.
func (r release) pack(folder, path string) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := tar.NewWriter(f)
	err = filepath.WalkDir(folder, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return r.add(w, folder, name)
	})
	return errors.Join(err, w.Close())
}

func (r release) add(w *tar.Writer, folder, name string) error {
	rel, err := filepath.Rel(folder, name)
	if err != nil {
		return err
	}
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: filepath.ToSlash(rel), Mode: 0o644, Size: info.Size(), ModTime: r.at, Format: tar.FormatUSTAR,
	}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(w, in)
	return err
}
