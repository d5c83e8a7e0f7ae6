// Package dashboards defines the Grafana dashboards of the gateway and the lab
// and generates their JSON. The definitions are short enough to be reviewed; the
// JSON is generated (go test ./dashboards -update) and committed, so that it can
// be imported by hand, too.
package dashboards

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"
)

// Files are the generated dashboards, UID.json, at the root.
//
//go:embed *.json
var Files embed.FS

// DataSourceUID is the uid of the Prometheus data source that our import creates,
// and the default of the boards' variable.
const DataSourceUID = "gatelab-prometheus"

// Tag marks our boards and the annotations that they show.
const Tag = "gatelab"

// Kind is how a panel shows its series.
type Kind string

// The kinds in use, by Grafana's names.
const (
	Lines  Kind = "timeseries"
	Number Kind = "stat"
	States Kind = "state-timeline"
)

// Board is one dashboard.
type Board struct {
	UID, Title, Description string
	Variables               []Variable
	Rows                    []Row
}

// Variable is a selection at the top of a board: the values of a label.
type Variable struct {
	Name, Label string
	Query       string // label_values(metric, label)
}

// Row is a titled group of panels, laid out from left to right.
type Row struct {
	Title  string
	Panels []Panel
}

// Panel is one graph, number or timeline.
type Panel struct {
	Title   string
	Kind    Kind // empty is Lines
	Unit    string
	Help    string // what it shows, and what to do about an unusual value
	Width   int    // of 24; 0 is 8
	Stacked bool
	Max     *float64 // of the axis; nil: automatic
	Warn    *float64 // threshold that is drawn as a line; nil: none
	Queries []Query
}

// Query is a PromQL expression with the legend of its series.
type Query struct{ Expr, Legend string }

// All returns the boards, in the order in which they are usually read.
func All() []Board {
	return []Board{overview(), cache(), limits(), upstreams(), stores(), goRuntime(), laboratory()}
}

func at(v float64) *float64 { return &v }

type object = map[string]any

const (
	// schema is the version of Grafana 12's dashboard JSON; older servers read
	// it, newer ones migrate it.
	schema      = 41
	panelHeight = 8
	columns     = 24
)

var source = object{"type": "prometheus", "uid": "${datasource}"}

// JSON returns the board as Grafana's dashboard API accepts it, without id and
// version. Equal boards yield equal bytes.
func (b *Board) JSON() ([]byte, error) {
	out, err := json.MarshalIndent(b.model(), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("dashboard %s: %w", b.UID, err)
	}
	return append(out, '\n'), nil
}

func (b *Board) model() object {
	return object{
		"uid": b.UID, "title": b.Title, "description": b.Description,
		"tags": []string{Tag}, "schemaVersion": schema, "editable": true, "graphTooltip": 1,
		"refresh": "10s", "timezone": "browser", "time": object{"from": "now-30m", "to": "now"},
		"links": []object{{
			"type": "dashboards", "title": "gatelab", "tags": []string{Tag}, "asDropdown": true,
			"includeVars": true, "keepTime": true, "icon": "external link", "targetBlank": false, "tooltip": "", "url": "",
		}},
		"annotations": object{"list": []object{{
			"name": "stages and faults", "enable": true, "iconColor": "orange",
			"datasource": object{"type": "grafana", "uid": "-- Grafana --"},
			"target":     object{"type": "tags", "tags": []string{Tag}, "limit": 200, "matchAny": false},
		}}},
		"templating": object{"list": b.variables()},
		"panels":     b.panels(),
	}
}

func (b *Board) variables() []object {
	list := []object{{
		"name": "datasource", "label": "data source", "type": "datasource", "query": "prometheus", "hide": 0,
		"refresh": 1, "regex": "", "multi": false, "includeAll": false, "options": []any{},
		"current": object{"text": "gatelab Prometheus", "value": DataSourceUID, "selected": false},
	}}
	for _, v := range b.Variables {
		list = append(list, object{
			"name": v.Name, "label": v.Label, "type": "query", "datasource": source, "definition": v.Query,
			"query": object{"query": v.Query, "refId": "variable-" + v.Name, "qryType": 1},
			// 2: queried again when the time range changes, as replicas come and go.
			"refresh": 2, "sort": 1, "regex": "", "hide": 0, "options": []any{},
			"multi": true, "includeAll": true, "allValue": ".*",
			"current": object{"text": []string{"All"}, "value": []string{"$__all"}, "selected": true},
		})
	}
	return list
}

func (b *Board) panels() []object {
	list := []object{}
	id, y := 0, 0
	next := func() int { id++; return id }
	for _, row := range b.Rows {
		list = append(list, object{"id": next(), "type": "row", "title": row.Title, "collapsed": false, "panels": []any{},
			"gridPos": object{"x": 0, "y": y, "w": columns, "h": 1}})
		y++
		x := 0
		for i := range row.Panels {
			p := &row.Panels[i]
			w := p.Width
			if w == 0 {
				w = 8
			}
			if x+w > columns {
				x, y = 0, y+panelHeight
			}
			list = append(list, p.model(next(), object{"x": x, "y": y, "w": w, "h": panelHeight}))
			x += w
		}
		y += panelHeight
	}
	return list
}

func (p *Panel) model(id int, pos object) object {
	kind := p.Kind
	if kind == "" {
		kind = Lines
	}
	targets := []object{}
	for i, q := range p.Queries {
		targets = append(targets, object{"refId": string(rune('A' + i)), "datasource": source, "expr": q.Expr,
			"legendFormat": q.Legend, "editorMode": "code", "range": true, "instant": false})
	}
	return object{
		"id": id, "type": string(kind), "title": p.Title, "description": p.Help, "gridPos": pos,
		"datasource": source, "targets": targets,
		"fieldConfig": object{"defaults": p.defaults(kind), "overrides": []any{}},
		"options":     options(kind),
	}
}

func (p *Panel) defaults(kind Kind) object {
	steps := []object{{"color": "green", "value": nil}}
	if p.Warn != nil {
		steps = append(steps, object{"color": "red", "value": *p.Warn})
	} else if kind == States {
		// 0 is bad, 1 is good.
		steps = []object{{"color": "red", "value": nil}, {"color": "green", "value": 1}}
	}
	d := object{"unit": p.Unit, "min": 0, "thresholds": object{"mode": "absolute", "steps": steps}, "color": object{"mode": "palette-classic"}}
	if p.Max != nil {
		d["max"] = *p.Max
	}
	switch kind {
	case Lines:
		stacking, line := "none", "off"
		if p.Stacked {
			stacking = "normal"
		}
		if p.Warn != nil {
			line = "line"
		}
		d["custom"] = object{"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": false,
			"stacking": object{"mode": stacking, "group": "A"}, "thresholdsStyle": object{"mode": line}}
	case Number:
		d["color"] = object{"mode": "thresholds"}
	case States:
		d["color"] = object{"mode": "thresholds"}
		d["custom"] = object{"fillOpacity": 70, "lineWidth": 0}
	}
	return d
}

func options(kind Kind) object {
	switch kind {
	case Number:
		return object{"reduceOptions": object{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
			"colorMode": "value", "graphMode": "area", "textMode": "auto", "justifyMode": "auto", "orientation": "auto"}
	case States:
		return object{"showValue": "auto", "rowHeight": 0.9, "mergeValues": true,
			"legend": object{"displayMode": "list", "placement": "bottom", "showLegend": true}, "tooltip": object{"mode": "single", "sort": "none"}}
	default:
		return object{
			"legend": object{
				"displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": []string{"mean", "max", "lastNotNull"},
			},
			"tooltip": object{"mode": "multi", "sort": "desc"},
		}
	}
}

// Expressions returns all PromQL of the board, including that of its variables
// (label_values(metric, label) as written).
func (b *Board) Expressions() []string {
	var out []string
	for _, v := range b.Variables {
		out = append(out, v.Query)
	}
	for _, r := range b.Rows {
		for i := range r.Panels {
			for _, q := range r.Panels[i].Queries {
				out = append(out, q.Expr)
			}
		}
	}
	return out
}

// Concrete replaces a board's variables in an expression by patterns that match
// everything, so that programs other than Grafana can parse it.
func Concrete(expr string) string {
	return strings.NewReplacer("$__rate_interval", "1m", "$__interval", "15s", `"$job"`, `".*"`, `"$instance"`, `".*"`,
		`"$service"`, `".*"`, `"$route"`, `".*"`, `"$scenario"`, `".*"`).Replace(expr)
}
