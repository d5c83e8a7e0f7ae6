package grafana

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// fake answers as Grafana's HTTP API is documented to (Folder, Data source,
// Dashboard and Annotations API of Grafana 9 to 12). It shares no code with the
// client that it tests. What it holds to:
//   - every request but /api/health needs a token: 401 without a known one,
//     403 when the token's permissions do not cover the action;
//   - POST /api/folders: 409 when the uid is taken;
//   - POST /api/datasources: 409 when name or uid is taken; PUT of a read-only
//     (provisioned) one: 403; each write adds 1 to its version;
//   - POST /api/dashboards/db: with id or a uid that exists it is an update,
//     and without "overwrite" its version must be the stored one, else 412
//     "version-mismatch"; a title that another dashboard of the folder has: 412
//     "name-exists"; an unknown folderUid: 400; each write adds 1 to the version;
//   - what is read has id, uid and version set by the server;
//   - POST /api/annotations: 400 without text.
type fake struct {
	*httptest.Server
	mu          sync.Mutex
	tokens      map[string]string // token -> role: Viewer, Editor, Admin
	nextID      int
	folders     map[string]map[string]any
	sources     map[string]map[string]any
	boards      map[string]*storedBoard
	annotations []map[string]any
	writes      int
	// before is called ahead of each request, not holding mu; may be nil.
	before func(r *http.Request)
}

type storedBoard struct {
	model   map[string]any
	folder  string
	id      int
	version int
	message string
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{
		tokens:  map[string]string{"admin-token": "Admin", "editor-token": "Editor", "viewer-token": "Viewer"},
		folders: map[string]map[string]any{}, sources: map[string]map[string]any{}, boards: map[string]*storedBoard{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/health", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 200, map[string]any{"database": "ok", "version": "12.0.0", "commit": "0"})
	})
	// The least role that Grafana's fixed roles need for each action.
	f.route(mux, "GET /api/folders/{uid}", "Viewer", f.getFolder)
	f.route(mux, "POST /api/folders", "Editor", f.postFolder)
	f.route(mux, "GET /api/datasources/uid/{uid}", "Admin", f.getSource)
	f.route(mux, "POST /api/datasources", "Admin", f.postSource)
	f.route(mux, "PUT /api/datasources/uid/{uid}", "Admin", f.putSource)
	f.route(mux, "GET /api/dashboards/uid/{uid}", "Viewer", f.getBoard)
	f.route(mux, "POST /api/dashboards/db", "Editor", f.postBoard)
	f.route(mux, "POST /api/annotations", "Editor", f.postAnnotation)
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

var ranks = map[string]int{"Viewer": 1, "Editor": 2, "Admin": 3}

func (f *fake) route(mux *http.ServeMux, pattern, least string, do func(w http.ResponseWriter, r *http.Request, body map[string]any)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if f.before != nil {
			f.before(r)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		role, known := f.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
		if !known {
			reply(w, 401, map[string]any{"message": "Invalid API key"})
			return
		}
		if ranks[role] < ranks[least] {
			reply(w, 403, map[string]any{"message": "You'll need additional permissions to perform this action", "title": "Access denied"})
			return
		}
		var body map[string]any
		if r.Method != http.MethodGet {
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				reply(w, 400, map[string]any{"message": "bad request data"})
				return
			}
			f.writes++
		}
		do(w, r, body)
	})
}

func (f *fake) id() int { f.nextID++; return f.nextID }

func (f *fake) getFolder(w http.ResponseWriter, r *http.Request, _ map[string]any) {
	if got, ok := f.folders[r.PathValue("uid")]; ok {
		reply(w, 200, got)
		return
	}
	reply(w, 404, map[string]any{"message": "folder not found", "status": "not-found"})
}

func (f *fake) postFolder(w http.ResponseWriter, _ *http.Request, body map[string]any) {
	uid, title := text(body["uid"]), text(body["title"])
	if title == "" {
		reply(w, 400, map[string]any{"message": "folder title cannot be empty"})
		return
	}
	if _, taken := f.folders[uid]; taken {
		reply(w, 409, map[string]any{"message": "a folder with the same uid already exists"})
		return
	}
	f.folders[uid] = map[string]any{"id": f.id(), "uid": uid, "title": title, "url": "/dashboards/f/" + uid, "version": 1}
	reply(w, 200, f.folders[uid])
}

func (f *fake) getSource(w http.ResponseWriter, r *http.Request, _ map[string]any) {
	if got, ok := f.sources[r.PathValue("uid")]; ok {
		reply(w, 200, got)
		return
	}
	reply(w, 404, map[string]any{"message": "Data source not found"})
}

func (f *fake) postSource(w http.ResponseWriter, _ *http.Request, body map[string]any) {
	for _, s := range f.sources {
		if s["name"] == body["name"] || s["uid"] == body["uid"] {
			reply(w, 409, map[string]any{"message": "data source with the same name already exists"})
			return
		}
	}
	body["id"] = f.id()
	body["version"] = 1
	body["readOnly"] = false
	f.sources[text(body["uid"])] = body
	reply(w, 200, map[string]any{"id": body["id"], "message": "Datasource added", "name": body["name"], "datasource": body})
}

func (f *fake) putSource(w http.ResponseWriter, r *http.Request, body map[string]any) {
	have, ok := f.sources[r.PathValue("uid")]
	switch {
	case !ok:
		reply(w, 404, map[string]any{"message": "Data source not found"})
	case have["readOnly"] == true:
		reply(w, 403, map[string]any{"message": "Cannot update read-only data source"})
	default:
		body["id"] = have["id"]
		body["readOnly"] = false
		body["version"] = number(have["version"]) + 1
		f.sources[r.PathValue("uid")] = body
		reply(w, 200, map[string]any{"id": body["id"], "message": "Datasource updated", "name": body["name"]})
	}
}

func (f *fake) getBoard(w http.ResponseWriter, r *http.Request, _ map[string]any) {
	b, ok := f.boards[r.PathValue("uid")]
	if !ok {
		reply(w, 404, map[string]any{"message": "Dashboard not found"})
		return
	}
	reply(w, 200, map[string]any{"dashboard": b.model, "meta": map[string]any{"folderUid": b.folder, "version": b.version, "slug": "x"}})
}

func (f *fake) postBoard(w http.ResponseWriter, _ *http.Request, body map[string]any) {
	model, _ := body["dashboard"].(map[string]any)
	uid := text(model["uid"])
	folder := text(body["folderUid"])
	overwrite := body["overwrite"] == true
	if model == nil || text(model["title"]) == "" {
		reply(w, 400, map[string]any{"message": "Dashboard title cannot be empty"})
		return
	}
	if _, ok := f.folders[folder]; folder != "" && !ok {
		reply(w, 400, map[string]any{"message": "folder not found"})
		return
	}
	have := f.boards[uid]
	if have == nil && model["id"] != nil {
		reply(w, 404, map[string]any{"message": "Dashboard not found", "status": "not-found"})
		return
	}
	for other, b := range f.boards {
		if other != uid && b.folder == folder && b.model["title"] == model["title"] && !overwrite {
			reply(w, 412, map[string]any{"message": "A dashboard with the same name in the folder already exists", "status": "name-exists"})
			return
		}
	}
	if have != nil && !overwrite && number(model["version"]) != have.version {
		reply(w, 412, map[string]any{"message": "The dashboard has been changed by someone else", "status": "version-mismatch"})
		return
	}
	if have == nil {
		have = &storedBoard{id: f.id()}
		f.boards[uid] = have
	}
	have.version++
	have.model = model
	have.folder = folder
	have.message = text(body["message"])
	have.model["id"], have.model["version"] = have.id, have.version
	reply(w, 200, map[string]any{"id": have.id, "uid": uid, "status": "success", "version": have.version, "slug": "x", "url": "/d/" + uid})
}

func (f *fake) postAnnotation(w http.ResponseWriter, _ *http.Request, body map[string]any) {
	if text(body["text"]) == "" {
		reply(w, 400, map[string]any{"message": "Failed to save annotation", "error": "text field should not be empty"})
		return
	}
	f.annotations = append(f.annotations, body)
	reply(w, 200, map[string]any{"message": "Annotation added", "id": f.id()})
}

func reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		panic(fmt.Sprintf("fake grafana: %v", err))
	}
}

func text(v any) string { s, _ := v.(string); return s }

func number(v any) int {
	switch n := v.(type) {
	case float64:
		return int(n)
	case int:
		return n
	}
	return 0
}
