package grafana

import (
	"fmt"
	"maps"
	"net/url"

	"github.com/gatelab/gatelab/dashboards"
)

const sourceName = "gatelab Prometheus"

// sumKey is the field of a data source's jsonData that holds its sum: Grafana keeps fields that it does not know.
const sumKey = "gatelabSum"

func (i *importer) dataSource() error {
	if u, err := url.Parse(i.PrometheusURL); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("prometheus url %q: want http://host:port, as Grafana reaches it", redacted(i.PrometheusURL))
	}
	want := &dataSource{
		UID: dashboards.DataSourceUID, Name: sourceName, Type: "prometheus", Access: "proxy", URL: i.PrometheusURL,
		// The interval that $__rate_interval is made of: our scrape interval.
		JSONData: map[string]any{"httpMethod": "POST", "timeInterval": "5s"},
	}
	mark, err := sourceSum(want)
	if err != nil {
		return err
	}
	have, err := i.api.dataSource(want.UID)
	if err == nil {
		return i.updateSource(have, want, mark)
	}
	if status(err) != 404 {
		return explain("read data source "+sourceName, err)
	}
	want.JSONData[sumKey] = mark
	if err := i.api.createDataSource(want); err != nil {
		return explain("create data source "+sourceName, err)
	}
	i.did("data source", sourceName, Created)
	return nil
}

func (i *importer) updateSource(have, want *dataSource, mark string) error {
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
		// It is provisioned: only a file of that Grafana can change it.
		if have.Type == want.Type {
			i.did("data source", have.Name, Unchanged)
			return nil
		}
		return fmt.Errorf("data source %q is provisioned as %s: want %s; change its file", have.Name, have.Type, want.Type)
	case now != imported && !i.Overwrite:
		return fmt.Errorf("data source %q %w since it was imported (url %s): repeat with --overwrite to lose that",
			have.Name, ErrTouched, have.URL)
	}
	want.ID = have.ID
	want.Version = have.Version
	want.IsDefault = have.IsDefault
	want.JSONData[sumKey] = mark
	if err := i.api.updateDataSource(want); err != nil {
		return explain("update data source "+sourceName, err)
	}
	i.did("data source", sourceName, Updated)
	return nil
}

// sourceSum is the sum of the fields that we set. Whether it is the default data source is up to the user.
func sourceSum(s *dataSource) (string, error) {
	data := maps.Clone(s.JSONData)
	delete(data, sumKey)
	return sum([]any{s.Name, s.Type, s.Access, s.URL, s.Database, s.User, s.BasicAuth, s.BasicAuthUser, s.WithCredentials, data})
}
