package grafana

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	gapi "github.com/grafana/grafana-api-golang-client"

	"gatelab/dashboards"
)

// The folder that holds our dashboards.
const (
	folderUID   = "gatelab"
	folderTitle = "gatelab"
)

// Options say what to import and where.
type Options struct {
	Config
	PrometheusURL string // as Grafana reaches it
	Overwrite     bool   // also what a person changed in Grafana
}

// Change is what was done to one thing.
type Change struct {
	Kind string // folder, data source, dashboard
	Name string
	Done string // created, updated, unchanged
}

// What Change.Done says.
const (
	Created   = "created"
	Updated   = "updated"
	Unchanged = "unchanged"
)

// ErrTouched says that a person changed in Grafana what would be overwritten.
var ErrTouched = errors.New("was changed in Grafana")

// Import brings the folder, the data source and all dashboards into Grafana.
// It goes on after what a person changed, so that one board does not hold up
// the others; the changes tell what was done, also beside an error.
func Import(ctx context.Context, o Options) ([]Change, error) {
	c, err := connect(ctx, o.Config)
	if err != nil {
		return nil, err
	}
	i := &importer{Options: o, client: c}
	if err := i.folder(); err != nil {
		return i.changes, err
	}
	var failed []error
	if err := i.dataSource(); errors.Is(err, ErrTouched) {
		failed = append(failed, err)
	} else if err != nil {
		return i.changes, err
	}
	for _, b := range dashboards.All() {
		if err := i.dashboard(&b); errors.Is(err, ErrTouched) {
			failed = append(failed, err)
		} else if err != nil {
			return i.changes, err
		}
	}
	return i.changes, errors.Join(failed...)
}

type importer struct {
	Options
	client  *gapi.Client
	changes []Change
}

func (i *importer) did(kind, name, what string) {
	i.changes = append(i.changes, Change{kind, name, what})
}

func (i *importer) folder() error {
	have, err := i.client.FolderByUID(folderUID)
	if err == nil {
		// Its title is whoever's who uses it.
		i.did("folder", have.Title, Unchanged)
		return nil
	}
	if status(err) != 404 {
		return explain("read folder "+folderTitle, err)
	}
	if _, err := i.client.NewFolder(folderTitle, folderUID); err != nil {
		return explain("make folder "+folderTitle, err)
	}
	i.did("folder", folderTitle, Created)
	return nil
}

func (i *importer) dashboard(b *dashboards.Board) error {
	text, err := dashboards.Files.ReadFile(b.UID + ".json")
	if err != nil {
		return fmt.Errorf("dashboard %s: %w", b.UID, err)
	}
	var want map[string]any
	if err := json.Unmarshal(text, &want); err != nil {
		return fmt.Errorf("dashboard %s: %w", b.UID, err)
	}
	sum, err := boardSum(want)
	if err != nil {
		return err
	}
	what := Created
	have, err := i.client.DashboardByUID(b.UID)
	switch {
	case err == nil:
		now, err := boardSum(have.Model)
		if err != nil {
			return err
		}
		same := have.Meta.FolderUID == folderUID
		if same && now == sum {
			i.did("dashboard", b.Title, Unchanged)
			return nil
		}
		if (!same || now != stampOf(have.Model)) && !i.Overwrite {
			return fmt.Errorf("dashboard %q %w since it was imported: save it under another name there, or repeat with --overwrite and lose the change", b.Title, ErrTouched)
		}
		// Grafana answers 412 when its version is another one by now.
		want["id"], want["version"] = have.Model["id"], have.Model["version"]
		what = Updated
	case status(err) != 404:
		return explain(fmt.Sprintf("read dashboard %q", b.Title), err)
	}
	stamp(want, sum)
	_, err = i.client.NewDashboard(gapi.Dashboard{Model: want, FolderUID: folderUID, Overwrite: i.Overwrite, Message: "imported by gatelab"})
	if err != nil {
		return explain(fmt.Sprintf("save dashboard %q", b.Title), err)
	}
	i.did("dashboard", b.Title, what)
	return nil
}
