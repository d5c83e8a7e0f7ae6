package admin

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// PendingHeader is the revision of a change that this replica does not serve
// yet, or rejected. RevisionHeader is that of one that it serves.
const PendingHeader = "X-Gateway-Revision-Pending"

// Serving is how an Admin API knows which configuration its replica serves.
type Serving struct {
	// Revision returns the newest committed revision.
	Revision func(ctx context.Context) (int64, error)
	// Await waits until a revision or a newer one is in use; false: it is not.
	Await func(ctx context.Context, revision int64) bool
	Wait  time.Duration // time limit of both; 0: changes are acknowledged at once
}

// AwaitServed delays the response to a change until this replica serves the
// changed configuration, so that a client may use what it has configured. The
// response has RevisionHeader then, and PendingHeader if the time limit ended
// before. It has neither if the revision cannot be read.
func AwaitServed(api http.Handler, s Serving) http.Handler {
	if s.Wait <= 0 {
		return api
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
			w = &servedWriter{ResponseWriter: w, serving: &s, ctx: r.Context()}
		}
		api.ServeHTTP(w, r)
	})
}

// servedWriter waits before it writes the head of a success.
type servedWriter struct {
	http.ResponseWriter
	serving *Serving
	ctx     context.Context //nolint:containedctx // the request's
	wrote   bool
}

// Unwrap is for http.ResponseController.
func (w *servedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *servedWriter) WriteHeader(status int) {
	if !w.wrote && status >= http.StatusOK {
		w.wrote = true
		if status < http.StatusMultipleChoices {
			w.await()
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *servedWriter) Write(b []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

func (w *servedWriter) await() {
	ctx, cancel := context.WithTimeout(w.ctx, w.serving.Wait)
	defer cancel()
	revision, err := w.serving.Revision(ctx) // that of the change, or of a later one
	if err != nil {
		return
	}
	name := PendingHeader
	if w.serving.Await(ctx, revision) {
		name = RevisionHeader
	}
	w.Header().Set(name, strconv.FormatInt(revision, 10))
}
