package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"
)

// staleAfter is how long an unused image of an earlier build of ours is left in
// place: long enough for another run that is about to start it.
const staleAfter = time.Hour

// binaryImage makes an image of nothing but one static binary, tagged with the
// binary's hash so that it is made once a build.
func (r *Runtime) binaryImage(ctx context.Context, program, path string) (image, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return image{}, fmt.Errorf("read the binary: %w", err)
	}
	if err := checkStatic(path); err != nil {
		return image{}, err
	}
	sum := sha256.Sum256(content)
	program, _, _ = strings.Cut(program, "@") // builds of one program differ by their hash
	repo := "gatelab/" + program
	ref := repo + ":" + hex.EncodeToString(sum[:6])
	img, err := r.present(ctx, ref, layoutScratch)
	if err == nil || !errdefs.IsNotFound(err) {
		return img, err
	}
	r.progress("image %s from %s", ref, path)
	if err := r.importTar(ctx, ref, func(w io.Writer) error { return scratchTar(w, program, content) }); err != nil {
		return image{}, err
	}
	r.removeStale(ctx, repo, ref)
	return r.present(ctx, ref, layoutScratch)
}

// checkStatic refuses a binary that could not run FROM scratch: without this
// the engine says only "no such file or directory".
func checkStatic(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s is no Linux binary: %w", path, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("%s is linked dynamically: build it with CGO_ENABLED=0", path)
		}
	}
	return nil
}

// scratchTar is the file system of such an image: the binary and a /tmp.
func scratchTar(w io.Writer, program string, content []byte) error {
	tw := tar.NewWriter(w)
	entries := []struct {
		header tar.Header
		body   []byte
	}{
		{tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}, nil},
		{tar.Header{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755}, nil},
		// Without it Go's resolver asks DNS before /etc/hosts.
		{tar.Header{Name: "etc/nsswitch.conf", Mode: 0o644}, []byte("hosts: files dns\n")},
		{tar.Header{Name: program, Mode: 0o755}, content},
	}
	for _, e := range entries {
		e.header.Size = int64(len(e.body))
		if err := tw.WriteHeader(&e.header); err != nil {
			return err
		}
		if _, err := io.Copy(tw, bytes.NewReader(e.body)); err != nil {
			return err
		}
	}
	return tw.Close()
}

// importTar makes an image of the tar that write produces.
func (r *Runtime) importTar(ctx context.Context, ref string, write func(io.Writer) error, changes ...string) error {
	pr, pw := io.Pipe()
	var group errgroup.Group
	group.Go(func() error {
		err := write(pw)
		pw.CloseWithError(err) // nil: end of file
		return err
	})
	err := r.importReader(ctx, ref, pr, changes)
	pr.CloseWithError(io.ErrClosedPipe) // lets the writer end when the import gave up
	if werr := group.Wait(); werr != nil && !errors.Is(werr, io.ErrClosedPipe) {
		return fmt.Errorf("pack %s: %w", ref, werr)
	}
	return err
}

func (r *Runtime) importReader(ctx context.Context, ref string, source io.Reader, changes []string) error {
	res, err := r.api.ImageImport(ctx, client.ImageImportSource{Source: source, SourceName: "-"}, ref,
		client.ImageImportOptions{Changes: changes})
	if err != nil {
		return fmt.Errorf("import %s: %w", ref, err)
	}
	defer res.Close()
	answer, err := io.ReadAll(io.LimitReader(res, 1<<20))
	if err != nil {
		return fmt.Errorf("import %s: %w", ref, err)
	}
	if strings.Contains(string(answer), `"errorDetail"`) {
		return fmt.Errorf("import %s: %s", ref, answer)
	}
	return nil
}

// removeStale removes images of earlier builds that nothing uses. What cannot
// be removed is in use, and left for later.
func (r *Runtime) removeStale(ctx context.Context, repo, keep string) {
	list, err := r.api.ImageList(ctx, client.ImageListOptions{Filters: make(client.Filters).Add("reference", repo+":*")})
	if err != nil {
		r.log.Warn("list old images", "repo", repo, "err", err)
		return
	}
	for _, img := range list.Items {
		if time.Since(time.Unix(img.Created, 0)) < staleAfter {
			continue
		}
		for _, tag := range img.RepoTags {
			if tag == keep || !strings.HasPrefix(tag, repo+":") {
				continue
			}
			if _, err := r.api.ImageRemove(ctx, tag, client.ImageRemoveOptions{}); err != nil && !errdefs.IsConflict(err) {
				r.log.Warn("remove old image", "image", tag, "err", err)
			}
		}
	}
}
