package admin

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/dbless"
	"github.com/gatelab/gatelab/gateway/internal/declarative"
	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/internal/webguard"
)

// maxConfigBytes is the largest body of POST /config.
const maxConfigBytes = dbless.MaxBytes

// configSource names what POST /config has sent.
const configSource = "POST /config"

// database is the kind of database as Kong names it.
func (a *api) database() string {
	if a.config.DBLess != nil {
		return "off"
	}
	return "postgres"
}

// unchanging replaces the methods that would change an entity without a database
// by Kong's error.
func (a *api) unchanging(s *entity.Schema, v verbs) verbs {
	if a.config.DBLess == nil {
		return v
	}
	for method, operation := range map[string]string{
		http.MethodPost: "create", http.MethodPatch: "update", http.MethodPut: "create or update", http.MethodDelete: "remove",
	} {
		if v[method] != nil {
			v[method] = func(w http.ResponseWriter, _ *http.Request) { a.fail(w, dbless.Unsupported(operation, s.Name)) }
		}
	}
	return v
}

// addDeclarative adds the state of the configuration without a database to
// GET /status. configuration_hash is Kong's.
func (a *api) addDeclarative(body map[string]any) {
	if a.config.DBLess == nil {
		return
	}
	s := a.config.DBLess.Status()
	body["configuration_hash"] = s.Hash
	state := map[string]any{"entities": s.Entities}
	if s.Source != "" {
		state["source"], state["in_use_since"] = s.Source, s.At.UTC().Format(time.RFC3339)
	}
	if s.Error != "" {
		state["rejected"] = map[string]any{"error": s.Error, "at": s.ErrorAt.UTC().Format(time.RFC3339)}
	}
	body["declarative_config"] = state
}

// loadConfig is POST /config: the configuration becomes what the client sends.
func (a *api) loadConfig(w http.ResponseWriter, r *http.Request) {
	if a.config.DBLess == nil {
		const message = "this endpoint is only available when Kong is configured to not use a database"
		a.answer(w, http.StatusMethodNotAllowed, map[string]any{"message": message})
		return
	}
	if !a.loads.begin(r.Context()) {
		w.Header().Set("Retry-After", "1")
		webguard.CloseAfter(w, r)
		a.answer(w, http.StatusServiceUnavailable, map[string]any{"message": "other configurations are being loaded: try again"})
		return
	}
	defer a.loads.end()
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		a.unread(w, err)
		return
	}
	set, ok, err := a.load(w, r, raw)
	if !ok {
		return
	}
	switch {
	case errors.Is(err, dbless.ErrSame):
		w.WriteHeader(http.StatusNotModified)
	case err != nil:
		a.answer(w, http.StatusBadRequest, invalidDeclarative(err))
	default:
		a.answer(w, http.StatusCreated, entitiesByID(set))
	}
}

// load puts what a body says into use, one at a time: what it takes to decode one
// is many times its length. ok is false when it has responded with an error.
func (a *api) load(w http.ResponseWriter, r *http.Request, raw []byte) (set *declarative.Set, ok bool, err error) {
	a.loads.decoding.Lock()
	defer a.loads.decoding.Unlock()
	text, object, checkHash, ok := a.declared(w, r, raw)
	switch {
	case !ok:
	case object != nil:
		set, err = a.config.DBLess.LoadObject(object, configSource, checkHash)
	default:
		set, err = a.config.DBLess.Load([]byte(text), configSource, checkHash)
	}
	return set, ok, err
}

// loads bound the memory of POST /config.
type loads struct {
	places   chan struct{} // one for each body that is read or held
	decoding sync.Mutex
}

const (
	mostLoads = 4
	loadWait  = 10 * time.Second // for a place
)

func newLoads() loads { return loads{places: make(chan struct{}, mostLoads)} }

// begin takes a place. It returns false where none becomes free.
func (l *loads) begin(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, loadWait)
	defer cancel()
	select {
	case l.places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (l *loads) end() { <-l.places }

// declared finds the configuration that a body has: text, or an object. It
// returns false when it has responded with an error.
func (a *api) declared(w http.ResponseWriter, r *http.Request, raw []byte) (text string, object map[string]any, checkHash, ok bool) {
	checkHash = r.URL.Query().Get("check_hash") == "1"
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		kind = ""
	}
	form := url.Values{}
	switch kind {
	case "application/json":
		if object, err = declarative.Decode(raw); err != nil {
			a.answer(w, http.StatusBadRequest, invalidDeclarative(err))
			return "", nil, false, false
		}
		if config, is := object["config"].(string); is {
			text, object = config, nil
		}
	case "text/yaml", "application/yaml", "application/x-yaml", "text/plain":
		text = string(raw)
	case "application/x-www-form-urlencoded":
		form, err = url.ParseQuery(string(raw))
	case "multipart/form-data":
		form, err = configPart(raw, params["boundary"])
	default:
		a.unsupported(w)
		return "", nil, false, false
	}
	if form.Has("config") {
		text = form.Get("config")
	}
	if err == nil && len(form["config"]) > 1 {
		err = errors.New("the field config is there twice") // one of them would be ignored
	}
	if form.Get("check_hash") == "1" {
		checkHash = true
	}
	if err != nil || text == "" && object == nil {
		const message = "expected a declarative configuration: want it as the field config of a form or a JSON object, " +
			"as a JSON object with _format_version, or as application/yaml"
		a.answer(w, http.StatusBadRequest, map[string]any{"message": message})
		return "", nil, false, false
	}
	return text, object, checkHash, true
}

// configPart reads a form whose field config may be a file.
func configPart(raw []byte, boundary string) (url.Values, error) {
	form, err := multipart.NewReader(newReader(raw), boundary).ReadForm(int64(len(raw)) + 1)
	if err != nil {
		return nil, err
	}
	values := url.Values(form.Value)
	for _, header := range form.File["config"] {
		f, err := header.Open()
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(f)
		_ = f.Close()
		if err != nil {
			return nil, err
		}
		values.Add("config", string(data))
	}
	return values, nil
}

// invalidDeclarative is Kong's error for a declarative configuration that is
// rejected, with a list of everything that is wrong.
func invalidDeclarative(err error) any {
	known := entity.Error{Code: entity.CodeDeclarative, Name: "invalid declarative configuration",
		Message: "declarative config is invalid: " + err.Error(), Fields: map[string]any{}}
	var problems declarative.Problems
	if errors.As(err, &problems) {
		for i := range problems {
			p := &problems[i]
			at := p.Path
			if p.Field != "" && at != "" {
				at += "."
			}
			known.Fields[at+p.Field] = p.Message
		}
	}
	return struct {
		entity.Error
		Problems declarative.Problems `json:"problems,omitempty"`
	}{known, problems}
}

// entitiesByID is the configuration as Kong answers POST /config.
func entitiesByID(set *declarative.Set) map[string]map[string]entity.Record {
	out := map[string]map[string]entity.Record{}
	for name, list := range set.Records {
		out[name] = map[string]entity.Record{}
		for _, r := range list {
			id, _ := r["id"].(string)
			out[name][id] = r
		}
	}
	return out
}
