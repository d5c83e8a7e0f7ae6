// Package image makes images without an engine.
package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// Archive is an image of one static program, which it starts, in the form that `ctr images import` reads: the same bytes for the same
// program.
func Archive(name, program string) ([]byte, error) {
	body, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	base := filepath.Base(program)
	layer, err := archive(file{base, body, 0o755})
	if err != nil {
		return nil, err
	}
	config := encode(object{
		"architecture": runtime.GOARCH, "os": "linux", "config": object{"Entrypoint": []string{"/" + base}},
		"rootfs": object{"type": "layers", "diff_ids": []string{digest(layer)}},
	})
	manifest := encode(object{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": descriptor("config.v1+json", config), "layers": []object{descriptor("layer.v1.tar", layer)},
	})
	entry := descriptor("manifest.v1+json", manifest)
	entry["annotations"] = object{"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
	return archive(
		file{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644},
		file{blob(layer), layer, 0o644}, file{blob(config), config, 0o644}, file{blob(manifest), manifest, 0o644},
		file{"index.json", encode(object{"schemaVersion": 2, "manifests": []object{entry}}), 0o644},
	)
}

type object map[string]any

type file struct {
	name string
	body []byte
	mode int64
}

func archive(files ...file) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.body))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.body); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), w.Close()
}

// encode is of values that JSON can say.
func encode(o object) []byte {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return b
}

func digest(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

func blob(b []byte) string {
	return filepath.Join("blobs", "sha256", fmt.Sprintf("%x", sha256.Sum256(b)))
}

func descriptor(kind string, b []byte) object {
	return object{"mediaType": "application/vnd.oci.image." + kind, "digest": digest(b), "size": len(b)}
}
