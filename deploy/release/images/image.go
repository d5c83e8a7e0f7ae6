package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// user is a number, not a name: there is no /etc/passwd. deploy/docker/gateway.Dockerfile has the same one.
const user = "65532:65532"

const source = "https://github.com/gatelab/gatelab"

// image is a program of one platform: a single layer with the binary.
func (r release) image(p program, b binaries) (v1.Image, error) {
	content, err := os.ReadFile(filepath.Join(b.folder, p.name))
	if err != nil {
		return nil, err
	}
	layer, err := r.layer(p.name, content)
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.Append(base, mutate.Addendum{
		Layer: layer, MediaType: types.OCILayer, History: v1.History{Created: v1.Time{Time: r.at}, CreatedBy: "deploy/release/images"},
	})
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = b.platform.OS, b.platform.Architecture
	file.Variant = b.platform.Variant
	file.Created = v1.Time{Time: r.at}
	file.Config = v1.Config{
		User: user, Entrypoint: []string{"/" + p.name}, WorkingDir: "/", ExposedPorts: map[string]struct{}{}, Labels: map[string]string{
			"org.opencontainers.image.title": p.title, "org.opencontainers.image.version": r.version,
			"org.opencontainers.image.licenses": "Apache-2.0", "org.opencontainers.image.source": source,
		},
	}
	for _, port := range p.ports {
		file.Config.ExposedPorts[port] = struct{}{}
	}
	return mutate.ConfigFile(img, file)
}

// layer holds one file, which everyone may run.
func (r release) layer(name string, content []byte) (v1.Layer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(content)), ModTime: r.at, Format: tar.FormatUSTAR}
	if err := w.WriteHeader(header); err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	opener := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }
	return tarball.LayerFromOpener(opener, tarball.WithCompressionLevel(gzip.BestCompression), tarball.WithMediaType(types.OCILayer))
}
