package grafana

import (
	"fmt"
	"maps"
	"net/url"

	gapi "github.com/grafana/grafana-api-golang-client"

	"gatelab/dashboards"
)

const sourceName = "gatelab Prometheus"

// sumKey is where a data source's sum lies among its jsonData, of which
// Grafana keeps what it does not know.
const sumKey = "gatelabSum"

func (i *importer) dataSource() error {
	if u, err := url.Parse(i.PrometheusURL); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("prometheus url %q: want http://host:port, as Grafana reaches it", shown(i.PrometheusURL))
	}
	want := &gapi.DataSource{
		UID: dashboards.DataSourceUID, Name: sourceName, Type: "prometheus", Access: "proxy", URL: i.PrometheusURL,
		// The interval that $__rate_interval is made of: our scrape interval.
		JSONData: map[string]any{"httpMethod": "POST", "timeInterval": "5s"},
	}
	mark, err := sourceSum(want)
	if err != nil {
		return err
	}
	have, err := i.client.DataSourceByUID(want.UID)
	if err == nil {
		return i.updateSource(have, want, mark)
	}
	if status(err) != 404 {
		return explain("read data source "+sourceName, err)
	}
	want.JSONData[sumKey] = mark
	if _, err := i.client.NewDataSource(want); err != nil {
		return explain("make data source "+sourceName, err)
	}
	i.did("data source", sourceName, Created)
	return nil
}

func (i *importer) updateSource(have, want *gapi.DataSource, mark string) error {
	now, err := sourceSum(have)
	if err != nil {
		return err
	}
	imported, _ := have.JSONData[sumKey].(string)
	switch {
	case now == mark:
		i.did("data source", have.Name, Unchanged)
		return nil
	case have.ReadOnly:
		// Made by a file of that Grafana, which alone can change it.
		if have.Type == want.Type {
			i.did("data source", have.Name, Unchanged)
			return nil
		}
		return fmt.Errorf("data source %q is provisioned as %s: want %s; change its file", have.Name, have.Type, want.Type)
	case now != imported && !i.Overwrite:
		return fmt.Errorf("data source %q %w since it was imported (url %s): repeat with --overwrite to lose that", have.Name, ErrTouched, have.URL)
	}
	want.ID, want.Version, want.IsDefault = have.ID, have.Version, have.IsDefault
	want.JSONData[sumKey] = mark
	if err := i.client.UpdateDataSourceByUID(want); err != nil {
		return explain("update data source "+sourceName, err)
	}
	i.did("data source", sourceName, Updated)
	return nil
}

// sourceSum is the sum of what makes a data source ours; whether it is the
// default one is for others to say.
func sourceSum(s *gapi.DataSource) (string, error) {
	data := maps.Clone(s.JSONData)
	delete(data, sumKey)
	return sum([]any{s.Name, s.Type, s.Access, s.URL, s.Database, s.User, s.BasicAuth, s.BasicAuthUser, s.WithCredentials, data})
}
