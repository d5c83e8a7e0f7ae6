package forge

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// fake stands for GitHub's and GitLab's API, which tests cannot reach: it keeps the
// comments of one request, and lets a token change only those that it wrote.
type fake struct {
	comments []comment
	methods  []string
	token    string // the header that carries it, and its value
	update   string // the method
}

type comment struct {
	ID     int    `json:"id"`
	Body   string `json:"body"`
	others bool
}

func (f *fake) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	name, value, _ := strings.Cut(f.token, ": ")
	if q.Header.Get(name) != value {
		http.Error(w, `{"message":"Bad credentials"}`, http.StatusUnauthorized)
		return
	}
	f.methods = append(f.methods, q.Method)
	var in comment
	last := q.URL.Path[strings.LastIndexByte(q.URL.Path, '/')+1:]
	id, _ := strconv.Atoi(last)
	switch q.Method {
	case http.MethodGet:
		page, _ := strconv.Atoi(q.URL.Query().Get("page"))
		from := min((page-1)*100, len(f.comments))
		_ = json.NewEncoder(w).Encode(f.comments[from:min(from+100, len(f.comments))])
	case http.MethodPost:
		_ = json.NewDecoder(q.Body).Decode(&in)
		f.comments = append(f.comments, comment{ID: len(f.comments) + 1, Body: in.Body})
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte("{}"))
	case f.update:
		_ = json.NewDecoder(q.Body).Decode(&in)
		if f.comments[id-1].others {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		f.comments[id-1].Body = in.Body
		_, _ = w.Write([]byte("{}"))
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func environment(t *testing.T, forge, address string) func(string) string {
	t.Helper()
	event := filepath.Join(t.TempDir(), "event.json")
	if err := os.WriteFile(event, []byte(`{"pull_request":{"number":7}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_API_URL": address, "GITHUB_REPOSITORY": "o/r", "GITHUB_EVENT_PATH": event, "GITHUB_TOKEN": "t",
	}
	if forge == "gitlab" {
		env = map[string]string{
			"GITLAB_CI": "true", "CI_API_V4_URL": address + "/api/v4", "CI_PROJECT_ID": "3", "CI_MERGE_REQUEST_IID": "7", "GITLAB_TOKEN": "t",
		}
	}
	return func(name string) string { return env[name] }
}

func TestACommentIsReplacedByTheNextOne(t *testing.T) {
	for forge, f := range map[string]*fake{
		"github": {token: "Authorization: Bearer t", update: http.MethodPatch},
		"gitlab": {token: "PRIVATE-TOKEN: t", update: http.MethodPut},
	} {
		t.Run(forge, func(t *testing.T) {
			f.comments = []comment{{ID: 1, Body: "<!-- gatelab: gate -->\nwritten by another", others: true}}
			for i := range 130 {
				f.comments = append(f.comments, comment{ID: i + 2, Body: "talk"})
			}
			srv := httptest.NewServer(f)
			defer srv.Close()
			r, err := Find(environment(t, forge, srv.URL))
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{"pass", "regression", strings.Repeat("a long line\n", 10_000)} {
				if err := r.Comment(t.Context(), "gate", text); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.Comment(t.Context(), "compare", "another key"); err != nil {
				t.Fatal(err)
			}
			if n := len(f.comments); n != 133 {
				t.Fatalf("%d comments, want 133: the other's, 130 of talk, one for each key", n)
			}
			if f.comments[0].Body != "<!-- gatelab: gate -->\nwritten by another" {
				t.Errorf("another's comment was changed: %q", f.comments[0].Body)
			}
			if b := f.comments[131].Body; !strings.HasPrefix(b, "<!-- gatelab: gate -->\na long line\n") || len(b) > 65_000 {
				t.Errorf("the comment has %d bytes and begins with %q", len(b), b[:40])
			}
		})
	}
}

func TestWhereThereIsNoRequest(t *testing.T) {
	none := func(string) string { return "" }
	if _, err := Find(none); !errors.Is(err, ErrNoRequest) {
		t.Errorf("outside CI: %v", err)
	}
	push := environment(t, "github", "http://127.0.0.1:1")
	if err := os.WriteFile(push("GITHUB_EVENT_PATH"), []byte(`{"ref":"refs/heads/main"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(push); !errors.Is(err, ErrNoRequest) {
		t.Errorf("a push: %v", err)
	}
	full := environment(t, "gitlab", "http://127.0.0.1:1")
	_, err := Find(func(name string) string {
		if name == "GITLAB_TOKEN" {
			return ""
		}
		return full(name)
	})
	if err == nil || errors.Is(err, ErrNoRequest) || !strings.Contains(err.Error(), "$GITLAB_TOKEN is not set") {
		t.Errorf("no token: %v", err)
	}
}

func TestARefusedTokenIsAnError(t *testing.T) {
	srv := httptest.NewServer(&fake{token: "Authorization: Bearer other"})
	defer srv.Close()
	r, err := Find(environment(t, "github", srv.URL))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Comment(t.Context(), "gate", "x"); err == nil || !strings.Contains(err.Error(), "401") ||
		strings.Contains(fmt.Sprint(err), "Bearer") {
		t.Errorf("got %v", err)
	}
}
