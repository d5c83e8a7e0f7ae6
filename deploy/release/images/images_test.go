package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

var architectures = []string{"amd64", "arm64"}

// sample is a release of two platforms, whose programs are a line of text each.
func sample(t *testing.T) release {
	t.Helper()
	r := release{version: "1.2.3+build", at: time.Unix(1_700_000_000, 0).UTC()}
	for _, arch := range architectures {
		folder := t.TempDir()
		for _, p := range programs {
			put(t, filepath.Join(folder, p.name), p.name+" of "+arch+"\n")
		}
		r.binaries = append(r.binaries, binaries{platform: v1.Platform{OS: "linux", Architecture: arch}, folder: folder})
	}
	return r
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func written(t *testing.T, r release, p program) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), r.file(p))
	if err := r.write(p, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEqualInputGivesEqualArchives(t *testing.T) {
	for _, p := range programs {
		var all [][]byte
		for range 2 { // from folders of different names and times
			b, err := os.ReadFile(written(t, sample(t), p))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b)
		}
		if !bytes.Equal(all[0], all[1]) {
			t.Errorf("%s: two archives of the same input differ", p.name)
		}
	}
}

// The archive is an OCI image layout: an index of a platform's image each, with digests, sizes and content that agree.
func TestTheArchiveIsAnImageLayout(t *testing.T) {
	for _, p := range programs {
		r := sample(t)
		top, err := layout.ImageIndexFromPath(unpacked(t, written(t, r, p)))
		if err != nil {
			t.Fatal(err)
		}
		m, err := top.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Manifests) != 1 || m.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != "1.2.3_build" ||
			m.Manifests[0].Annotations["io.containerd.image.name"] != "docker.io/gatelab/"+p.name+":1.2.3_build" {
			t.Fatalf("index.json: %+v", m.Manifests)
		}
		index, err := top.ImageIndex(m.Manifests[0].Digest)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Index(index); err != nil {
			t.Error(err)
		}
		var got []string
		all, err := index.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range all.Manifests {
			img, err := index.Image(d.Digest)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, d.Platform.Architecture)
			checkImage(t, r, p, d.Platform.Architecture, img)
		}
		if !slices.Equal(got, architectures) {
			t.Errorf("%s: images for %q, want %q", p.name, got, architectures)
		}
	}
}

// An engine with the older store takes the same images, each by a tag of its platform.
func TestTheArchiveIsOneForOlderEngines(t *testing.T) {
	for _, p := range programs {
		r := sample(t)
		path := written(t, r, p)
		for _, arch := range architectures {
			img, err := tarball.ImageFromPath(path, tagOf(t, p.repository()+":1.2.3_build-"+arch))
			if err != nil {
				t.Fatal(err)
			}
			checkImage(t, r, p, arch, img)
		}
		var entries []loadable
		b, err := os.ReadFile(filepath.Join(unpacked(t, path), "manifest.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &entries); err != nil || len(entries) != len(architectures) {
			t.Errorf("manifest.json has %d entries, %v", len(entries), err)
		}
	}
}

func checkImage(t *testing.T, r release, p program, arch string, img v1.Image) {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c.OS != "linux" || c.Architecture != arch || c.Config.User != user || !slices.Equal(c.Config.Entrypoint, []string{"/" + p.name}) ||
		!c.Created.Equal(r.at) || c.Config.Labels["org.opencontainers.image.version"] != r.version || len(c.Config.ExposedPorts) != len(p.ports) {
		t.Errorf("%s for %s: %+v", p.name, arch, c)
	}
	files := mutate.Extract(img)
	defer files.Close()
	tr := tar.NewReader(files)
	h, err := tr.Next()
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(tr)
	if err != nil || h.Name != p.name || h.Mode != 0o755 || string(content) != p.name+" of "+arch+"\n" {
		t.Errorf("%s for %s has the file %s, mode %o: %q, %v", p.name, arch, h.Name, h.Mode, content, err)
	}
	if h, err := tr.Next(); err != io.EOF {
		t.Errorf("%s for %s has more files: %+v, %v", p.name, arch, h, err)
	}
}

// unpacked is the folder with an archive's files.
func unpacked(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	folder := t.TempDir()
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return folder
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(folder, filepath.Clean("/"+h.Name))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			t.Fatal(err)
		}
		put(t, to, string(b))
	}
}

func TestAMissingBinaryIsAnError(t *testing.T) {
	r := sample(t)
	if err := os.Remove(filepath.Join(r.binaries[1].folder, "gateway")); err != nil {
		t.Fatal(err)
	}
	if err := r.write(programs[0], filepath.Join(t.TempDir(), "x.tar")); err == nil || !strings.Contains(err.Error(), "gateway") {
		t.Errorf("error %v", err)
	}
}
