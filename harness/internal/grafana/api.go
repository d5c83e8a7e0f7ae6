package grafana

import (
	"errors"
	"net/http"
	"regexp"
	"strconv"

	gapi "github.com/grafana/grafana-api-golang-client"
)

// api is Grafana's HTTP API as far as this package uses it. This file is the only one that knows the client library, which is archived
// upstream (docs/adr/0012-grafana-client.md): to replace it, replace this file.
type api struct{ client *gapi.Client }

// newAPI sends requests to a Grafana's URL, as the owner of a token.
func newAPI(url, token string, h *http.Client) (*api, error) {
	client, err := gapi.New(url, gapi.Config{APIKey: token, Client: h})
	if err != nil {
		return nil, err
	}
	return &api{client}, nil
}

// databaseHealth is the state of Grafana's database, "ok" if it is well: GET /api/health, which needs no permission.
func (a *api) databaseHealth() (string, error) {
	h, err := a.client.Health()
	return h.Database, err
}

// folderTitle is the title of a folder: GET /api/folders/:uid.
func (a *api) folderTitle(uid string) (string, error) {
	f, err := a.client.FolderByUID(uid)
	if err != nil {
		return "", err
	}
	return f.Title, nil
}

// createFolder is POST /api/folders.
func (a *api) createFolder(uid, title string) error {
	_, err := a.client.NewFolder(title, uid)
	return err
}

// dataSource is a data source; ID, Version and ReadOnly are Grafana's.
type dataSource = gapi.DataSource

// dataSource is GET /api/datasources/uid/:uid.
func (a *api) dataSource(uid string) (*dataSource, error) { return a.client.DataSourceByUID(uid) }

// createDataSource is POST /api/datasources.
func (a *api) createDataSource(s *dataSource) error {
	_, err := a.client.NewDataSource(s)
	return err
}

// updateDataSource is PUT /api/datasources/uid/:uid.
func (a *api) updateDataSource(s *dataSource) error { return a.client.UpdateDataSourceByUID(s) }

// storedDashboard is a dashboard as Grafana has it.
type storedDashboard struct {
	model     map[string]any
	folderUID string
}

// dashboard is GET /api/dashboards/uid/:uid.
func (a *api) dashboard(uid string) (*storedDashboard, error) {
	d, err := a.client.DashboardByUID(uid)
	if err != nil {
		return nil, err
	}
	return &storedDashboard{model: d.Model, folderUID: d.Meta.FolderUID}, nil
}

// saveDashboard is POST /api/dashboards/db. Unless overwrite is set, the model's id and version must be Grafana's.
func (a *api) saveDashboard(d storedDashboard, overwrite bool, message string) error {
	_, err := a.client.NewDashboard(gapi.Dashboard{Model: d.model, FolderUID: d.folderUID, Overwrite: overwrite, Message: message})
	return err
}

// annotation is a moment or, with an end, a period. Times are in milliseconds since 1970.
type annotation struct {
	begin, end int64 // end is 0 for a moment
	text       string
	tags       []string
}

// annotate is POST /api/annotations.
func (a *api) annotate(n annotation) error {
	_, err := a.client.NewAnnotation(&gapi.Annotation{Time: n.begin, TimeEnd: n.end, Text: n.text, Tags: n.tags})
	return err
}

// statusPattern is the form in which the library's errors give a status other than 404.
var statusPattern = regexp.MustCompile(`^status: (\d+), body: `)

// status is the HTTP status in an error of the API; 0 if there was no answer.
func status(err error) int {
	var missing gapi.ErrNotFound
	if errors.As(err, &missing) {
		return http.StatusNotFound
	}
	if m := statusPattern.FindStringSubmatch(err.Error()); m != nil {
		code, _ := strconv.Atoi(m[1])
		return code
	}
	return 0
}
