package admin

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"

	"github.com/google/uuid"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/store"
)

// body decodes a request's body by its content type. It returns false when it has
// responded with an error.
func (a *api) body(w http.ResponseWriter, r *http.Request, s *entity.Schema) (entity.Record, bool) {
	return a.patch(w, r, s, func() (string, error) { return "", nil })
}

// patch decodes a body that changes an entity. Where the meaning of a form, which
// has only strings, depends on a plugin's schema, plugin returns the plugin's name.
func (a *api) patch(w http.ResponseWriter, r *http.Request, s *entity.Schema, plugin func() (string, error)) (entity.Record, bool) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		a.unread(w, err)
		return nil, false
	}
	if len(raw) == 0 {
		return entity.Record{}, true
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	var rec entity.Record
	switch {
	case err != nil:
		a.unsupported(w)
		return nil, false
	case kind == "application/json":
		rec, err = s.DecodeJSON(raw)
	case kind == "application/x-www-form-urlencoded":
		var form url.Values
		if form, err = url.ParseQuery(string(raw)); err == nil {
			rec, err = decodeForm(s, form, plugin)
		}
	case kind == "multipart/form-data":
		var form url.Values
		if form, err = multipartValues(raw, params["boundary"]); err == nil {
			rec, err = decodeForm(s, form, plugin)
		}
	default:
		a.unsupported(w)
		return nil, false
	}
	if err != nil {
		var known *entity.Error
		var lookup *lookupError
		if errors.As(err, &known) || errors.As(err, &lookup) {
			a.fail(w, err)
		} else {
			a.answer(w, http.StatusBadRequest, map[string]any{"message": err.Error()})
		}
		return nil, false
	}
	return rec, true
}

func decodeForm(s *entity.Schema, form url.Values, plugin func() (string, error)) (entity.Record, error) {
	if !s.HasPluginConfig() || form.Has("name") {
		return s.DecodeForm(form)
	}
	name, err := plugin()
	if err != nil {
		return nil, &lookupError{err}
	}
	return s.DecodePatch(form, name)
}

// lookupError is an error of the store while a body is decoded.
type lookupError struct{ error }

func (e *lookupError) Unwrap() error { return e.error }

// unread responds to a body that did not arrive.
func (a *api) unread(w http.ResponseWriter, err error) {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		a.answer(w, http.StatusRequestEntityTooLarge, map[string]any{"message": "request body is too large"})
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		a.answer(w, http.StatusRequestTimeout, map[string]any{"message": "request body did not arrive in time"})
	default:
		a.answer(w, http.StatusBadRequest, map[string]any{"message": "request body could not be read"})
	}
}

func (a *api) unsupported(w http.ResponseWriter) {
	a.answer(w, http.StatusUnsupportedMediaType, map[string]any{
		"message": "Unsupported Media Type: want application/json, application/x-www-form-urlencoded or multipart/form-data",
	})
}

func multipartValues(raw []byte, boundary string) (url.Values, error) {
	form, err := multipart.NewReader(newReader(raw), boundary).ReadForm(int64(len(raw)) + 1)
	if err != nil {
		return nil, errors.New("cannot parse multipart body")
	}
	defer func() { _ = form.RemoveAll() }()
	for name, files := range form.File { // curl -F cert=@cert.pem
		for _, f := range files {
			content, err := readPart(f)
			if err != nil {
				return nil, errors.New("cannot parse multipart body")
			}
			form.Value[name] = append(form.Value[name], content)
		}
	}
	return form.Value, nil
}

func readPart(f *multipart.FileHeader) (string, error) {
	part, err := f.Open()
	if err != nil {
		return "", err
	}
	defer func() { _ = part.Close() }()
	b, err := io.ReadAll(part)
	return string(b), err
}

// fail responds with an error as Kong does. Errors that the client can correct keep
// their text; internal ones get an id, under which the log has the details.
func (a *api) fail(w http.ResponseWriter, err error) {
	var known *entity.Error
	isKnown := errors.As(err, &known)
	switch {
	case isKnown && known.Code == entity.CodeNotFound:
		a.notFound(w)
		return
	case isKnown && known.Status() < http.StatusInternalServerError:
		a.answer(w, known.Status(), known)
		return
	}
	id := uuid.NewString()
	a.log.Error("Admin API request failed", "error_id", id, "error", err)
	body := map[string]any{"error_id": id}
	status := http.StatusServiceUnavailable
	switch {
	case isKnown:
		status = known.Status()
		body["code"] = known.Code
		body["name"] = known.Name
		body["message"] = "An unexpected error occurred"
	case errors.Is(err, store.ErrPoolExhausted):
		body["message"] = store.ErrPoolExhausted.Error()
	case errors.Is(err, store.ErrReadOnly):
		body["message"] = store.ErrReadOnly.Error()
	case errors.Is(err, store.ErrExecMode):
		body["message"] = store.ErrExecMode.Error()
	case errors.Is(err, store.ErrUnavailable):
		body["message"] = store.ErrUnavailable.Error()
	default:
		body["message"] = "An unexpected error occurred"
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	a.answer(w, status, body)
}

func (a *api) notFound(w http.ResponseWriter) {
	a.answer(w, http.StatusNotFound, map[string]any{"message": "Not found"})
}

func (a *api) answer(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		id := uuid.NewString()
		a.log.Error("Admin API request failed", "error_id", id, "error", err)
		http.Error(w, `{"message":"An unexpected error occurred","error_id":"`+id+`"}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Server", "gatelab")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}
