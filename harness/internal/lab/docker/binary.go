package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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
	content, err := r.forEngine(ctx, program, path)
	if err != nil {
		return image{}, fmt.Errorf("the binary of %s: %w", program, err)
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
		r.progress("images of earlier builds of %s cannot be listed: %v", repo, err)
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
				r.progress("image %s of an earlier build cannot be removed: %v", tag, err)
			}
		}
	}
}
