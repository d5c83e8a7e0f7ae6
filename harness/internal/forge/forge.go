// Package forge hides how a comment on a pull or merge request is written, and replaced by the
// next one: GitHub's and GitLab's REST APIs, found by the variables that their CI sets.
package forge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/gatelab/gatelab/harness/internal/jsonhttp"
)

// ErrNoRequest says that there is no pull or merge request to comment on.
var ErrNoRequest = errors.New("not in the CI of a pull or merge request")

// longest is how many bytes of text a comment may have: GitHub takes 65,536 characters.
const longest = 60_000

// maxPages bounds how many pages of comments are searched for an earlier one.
const maxPages = 20

// Request is a pull or merge request.
type Request struct {
	comments string            // the address of its list of comments
	comment  func(int) string  // the address of one comment
	update   string            // the method that replaces a comment
	header   map[string]string // authorization
}

// Find is the request that this CI job is about. getenv reads a variable of the
// environment. The error is ErrNoRequest where no forge's variables are set, and names
// the variable that is missing otherwise.
func Find(getenv func(string) string) (*Request, error) {
	switch {
	case getenv("GITHUB_ACTIONS") == "true":
		return github(getenv)
	case getenv("GITLAB_CI") == "true":
		return gitlab(getenv)
	}
	return nil, fmt.Errorf("%w: neither GITHUB_ACTIONS nor GITLAB_CI is true", ErrNoRequest)
}

func github(getenv func(string) string) (*Request, error) {
	if err := need(getenv, "GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_EVENT_PATH", "GITHUB_TOKEN"); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(getenv("GITHUB_EVENT_PATH"))
	if err != nil {
		return nil, fmt.Errorf("event of the workflow: %w", err)
	}
	var event struct {
		PullRequest struct {
			Number int `json:"number"`
		} `json:"pull_request"`
	}
	if err := json.Unmarshal(b, &event); err != nil {
		return nil, fmt.Errorf("event of the workflow: %w", err)
	}
	if event.PullRequest.Number == 0 {
		return nil, fmt.Errorf("%w: the workflow was not started by a pull request", ErrNoRequest)
	}
	issues := getenv("GITHUB_API_URL") + "/repos/" + getenv("GITHUB_REPOSITORY") + "/issues"
	return &Request{
		comments: fmt.Sprintf("%s/%d/comments", issues, event.PullRequest.Number),
		comment:  func(id int) string { return fmt.Sprintf("%s/comments/%d", issues, id) },
		update:   http.MethodPatch,
		header: map[string]string{
			"Authorization": "Bearer " + getenv("GITHUB_TOKEN"), "Accept": "application/vnd.github+json",
			"X-GitHub-Api-Version": "2022-11-28",
		},
	}, nil
}

func gitlab(getenv func(string) string) (*Request, error) {
	if getenv("CI_MERGE_REQUEST_IID") == "" {
		return nil, fmt.Errorf("%w: the pipeline is not one of a merge request", ErrNoRequest)
	}
	if err := need(getenv, "CI_API_V4_URL", "CI_PROJECT_ID", "GITLAB_TOKEN"); err != nil {
		return nil, err
	}
	notes := fmt.Sprintf("%s/projects/%s/merge_requests/%s/notes",
		getenv("CI_API_V4_URL"), url.PathEscape(getenv("CI_PROJECT_ID")), url.PathEscape(getenv("CI_MERGE_REQUEST_IID")))
	return &Request{
		comments: notes,
		comment:  func(id int) string { return fmt.Sprintf("%s/%d", notes, id) },
		update:   http.MethodPut,
		header:   map[string]string{"PRIVATE-TOKEN": getenv("GITLAB_TOKEN")},
	}, nil
}

func need(getenv func(string) string, names ...string) error {
	for _, name := range names {
		if getenv(name) == "" {
			return fmt.Errorf("comment: $%s is not set", name)
		}
	}
	return nil
}

// Comment writes text as a comment, in the place of the earlier one with the same key,
// if there is one that the token may change. It is cut after 60,000 bytes.
func (r *Request) Comment(ctx context.Context, key, text string) error {
	marker := "<!-- gatelab: " + key + " -->"
	body := map[string]string{"body": marker + "\n" + cut(text)}
	client := &http.Client{Transport: withHeader{r.header}}
	ids, err := r.earlier(ctx, client, marker)
	if err != nil {
		return err
	}
	for _, id := range ids {
		err := jsonhttp.Do(ctx, client, r.update, r.comment(id), body, nil)
		switch jsonhttp.StatusOf(err) {
		case http.StatusForbidden, http.StatusNotFound: // another's comment with our marker, or a deleted one
			continue
		}
		return err
	}
	return jsonhttp.Do(ctx, client, http.MethodPost, r.comments, body, nil)
}

// earlier are the comments that begin with the marker.
func (r *Request) earlier(ctx context.Context, client *http.Client, marker string) (ids []int, err error) {
	const size = 100
	for page := 1; page <= maxPages; page++ {
		var comments []struct {
			ID   int    `json:"id"`
			Body string `json:"body"`
		}
		address := fmt.Sprintf("%s?per_page=%d&page=%d", r.comments, size, page)
		if err := jsonhttp.Do(ctx, client, http.MethodGet, address, nil, &comments); err != nil {
			return nil, err
		}
		for _, c := range comments {
			if strings.HasPrefix(c.Body, marker) {
				ids = append(ids, c.ID)
			}
		}
		if len(comments) < size {
			break
		}
	}
	return ids, nil
}

// cut keeps whole lines.
func cut(text string) string {
	if len(text) <= longest {
		return text
	}
	text = text[:longest]
	if i := strings.LastIndexByte(text, '\n'); i > 0 {
		text = text[:i]
	}
	return text + "\n\n(The rest is in the run's folder.)\n"
}

// withHeader adds fields to every request.
type withHeader struct{ header map[string]string }

// RoundTrip implements http.RoundTripper.
func (t withHeader) RoundTrip(q *http.Request) (*http.Response, error) {
	q = q.Clone(q.Context())
	for name, value := range t.header {
		q.Header.Set(name, value)
	}
	return http.DefaultTransport.RoundTrip(q) //nolint:wrapcheck // a transport's error is the client's
}
