// Command images writes the container images of a release without an engine or a registry: for each program one archive with an image for
// every platform. deploy/release/release.sh calls it.
//
//	images -version VERSION -time SECONDS -out FOLDER OS/ARCH=FOLDER ...
//
// A FOLDER after a platform holds the binaries gateway and harness, built for it. The archive FOLDER/gatelab-PROGRAM_VERSION_images.tar is
// an OCI image layout (opencontainers/image-spec, image-layout.md), with a manifest.json for engines that read Docker's older format only.
// Equal binaries, version and time give equal bytes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// program is what an image runs.
type program struct {
	name, title string
	ports       []string // that it listens to by default
}

var programs = []program{
	{name: "gateway", title: "API gateway with Kong's Admin API", ports: []string{"8000/tcp", "8001/tcp", "8100/tcp"}},
	{name: "harness", title: "Benchmark and chaos lab for API gateways"},
}

// release is what all images of a release share.
type release struct {
	version  string
	at       time.Time // of every file and image
	binaries []binaries
}

// binaries is the folder with the programs of one platform.
type binaries struct {
	platform v1.Platform
	folder   string
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run() error {
	version := flag.String("version", "", "version of the release")
	seconds := flag.Int64("time", 0, "time of all files, in seconds since 1970")
	out := flag.String("out", ".", "folder of the archives")
	flag.Parse()
	r := release{version: *version, at: time.Unix(*seconds, 0).UTC()}
	if r.version == "" || flag.NArg() == 0 {
		return errors.New("want -version VERSION and OS/ARCH=FOLDER")
	}
	for _, arg := range flag.Args() {
		name, folder, _ := strings.Cut(arg, "=")
		p, err := v1.ParsePlatform(name)
		if err != nil || folder == "" {
			return fmt.Errorf("%q: want OS/ARCH=FOLDER", arg)
		}
		r.binaries = append(r.binaries, binaries{platform: *p, folder: folder})
	}
	for _, p := range programs {
		if err := r.write(p, filepath.Join(*out, r.file(p))); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// file is the archive's name.
func (r release) file(p program) string {
	return "gatelab-" + p.name + "_" + r.version + "_images.tar"
}

// tag is the version as a tag may have it: the "+" of semantic versions is not allowed there.
func (r release) tag() string { return strings.ReplaceAll(r.version, "+", "_") }

// repository is the image's name without a tag.
func (p program) repository() string { return "gatelab/" + p.name }
