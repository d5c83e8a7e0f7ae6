package grafana

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gatelab/gatelab/dashboards"
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
	Overwrite     bool   // also what was changed in Grafana
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

// ErrTouched says that something was changed in Grafana and would be overwritten.
var ErrTouched = errors.New("was changed in Grafana")

// Import brings the folder, the data source and all dashboards into Grafana. A dashboard that was changed there does not keep the others
// from being imported. The changes say what was done, also beside an error.
func Import(ctx context.Context, o Options) ([]Change, error) {
	a, err := connect(ctx, o.Config)
	if err != nil {
		return nil, err
	}
	i := &importer{Options: o, api: a}
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
	api     *api
	changes []Change
}

func (i *importer) did(kind, name, what string) {
	i.changes = append(i.changes, Change{kind, name, what})
}

func (i *importer) folder() error {
	title, err := i.api.folderTitle(folderUID)
	if err == nil {
		// Users may rename it.
		i.did("folder", title, Unchanged)
		return nil
	}
	if status(err) != 404 {
		return explain("read folder "+folderTitle, err)
	}
	if err := i.api.createFolder(folderUID, folderTitle); err != nil {
		return explain("create folder "+folderTitle, err)
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
	have, err := i.api.dashboard(b.UID)
	switch {
	case err == nil:
		now, err := boardSum(have.model)
		if err != nil {
			return err
		}
		same := have.folderUID == folderUID
		if same && now == sum {
			i.did("dashboard", b.Title, Unchanged)
			return nil
		}
		if (!same || now != stampOf(have.model)) && !i.Overwrite {
			return fmt.Errorf("dashboard %q %w since it was imported: save it under another name there, "+
				"or repeat with --overwrite and lose the change", b.Title, ErrTouched)
		}
		// Grafana answers 412 when its version is another one by now.
		want["id"], want["version"] = have.model["id"], have.model["version"]
		what = Updated
	case status(err) != 404:
		return explain(fmt.Sprintf("read dashboard %q", b.Title), err)
	}
	stamp(want, sum)
	if err := i.api.saveDashboard(storedDashboard{model: want, folderUID: folderUID}, i.Overwrite, "imported by gatelab"); err != nil {
		return explain(fmt.Sprintf("save dashboard %q", b.Title), err)
	}
	i.did("dashboard", b.Title, what)
	return nil
}
