package statsd

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logentry"
	"github.com/gatelab/gatelab/gateway/internal/plugin/logqueue"
	"github.com/gatelab/gatelab/gateway/internal/plugin/stats"
)

// config is the configuration as it is stored.
type config struct {
	Host                       string          `json:"host"`
	Port                       int             `json:"port"`
	Prefix                     string          `json:"prefix"`
	Metrics                    []stats.Metric  `json:"metrics"`
	AllowStatusCodes           []string        `json:"allow_status_codes"`
	UDPPacketSize              float64         `json:"udp_packet_size"`
	UseTCP                     bool            `json:"use_tcp"`
	HostnameInPrefix           bool            `json:"hostname_in_prefix"`
	ConsumerIdentifierDefault  string          `json:"consumer_identifier_default"`
	ServiceIdentifierDefault   string          `json:"service_identifier_default"`
	WorkspaceIdentifierDefault string          `json:"workspace_identifier_default"`
	TagStyle                   string          `json:"tag_style"`
	Queue                      logqueue.Config `json:"queue"`
	logqueue.Legacy
}

// workspace is the name of the one that there is. It has no id: both identifiers
// (in.WorkspaceIdentifierDefault, m.WorkspaceIdentifier) give this.
const workspace = "default"

// statsd makes lines of requests.
type statsd struct {
	config
	prefix  string
	node    string   // host name, as a part of a name
	allowed [][2]int // statuses whose counts are sent; nil: all
}

func newPlugin(c *entity.Plugin, d *plugin.Deps) (plugin.Plugin, error) {
	s := &statsd{}
	in := &s.config
	if err := plugin.DecodeConfig(c, in); err != nil {
		return nil, err
	}
	in.Apply(&in.Queue)
	host, err := os.Hostname()
	if err != nil {
		host = d.NodeName
	}
	s.prefix, s.node = in.Prefix, strings.ReplaceAll(host, ".", "_")
	if in.HostnameInPrefix {
		s.prefix += ".node." + s.node
	}
	for _, text := range in.AllowStatusCodes {
		var from, to int
		if _, err := fmt.Sscanf(text, "%d-%d", &from, &to); err != nil {
			return nil, fmt.Errorf("statsd: config.allow_status_codes: %q is no range such as 200-299", text)
		}
		s.allowed = append(s.allowed, [2]int{from, to})
	}
	to := &stats.Sender{Host: in.Host, Port: in.Port, TCP: in.UseTCP, Packet: int(in.UDPPacketSize)}
	return logentry.NewLogger(c, d, in.Queue, s.lines, to.Send, nil)
}

// lines are the metrics of a request, each on a line of its own.
func (s *statsd) lines(x *plugin.Exchange) []byte {
	v := stats.Of(x)
	if !s.isAllowed(v.Status) {
		return nil
	}
	var out []byte
	for i := range s.Metrics {
		m := &s.Metrics[i]
		path, value := s.measure(x, m, &v)
		if path == "" || !m.Sampled() {
			continue
		}
		if len(out) > 0 {
			out = append(out, '\n')
		}
		if s.TagStyle == "" {
			out = fmt.Appendf(out, "%s.%s:%s|%s", s.prefix, path, value, m.Suffix())
		} else {
			out = s.tagged(out, s.Prefix+"."+path, value+"|"+m.Suffix(), s.tags(x, m, v.Status))
		}
	}
	return out
}

// measure is a metric's name below the prefix, and its value; "" where there is
// nothing to say. With tags the name says what is measured, and the tags of what:
// as in Kong there are then no metrics that are made of one consumer or status.
func (s *statsd) measure(x *plugin.Exchange, m *stats.Metric, v *stats.Values) (path, value string) {
	if n, ok := v.Value(m.Name); ok {
		path, value = measured.Replace(m.Name), strconv.FormatInt(n, 10)
		if s.TagStyle == "" {
			path = s.scope(x, m) + path
		} else if x.Service == nil {
			path = ""
		}
		return path, value
	}
	if s.TagStyle != "" {
		return "", ""
	}
	status := ".status." + strconv.Itoa(v.Status)
	switch m.Name {
	case "status_count":
		return s.scope(x, m) + status[1:], "1"
	case "status_count_per_workspace":
		return s.scope(x, m) + "workspace." + workspace + status, "1"
	}
	consumer := stats.Consumer(x.Consumer, or(m.ConsumerIdentifier, s.ConsumerIdentifierDefault))
	if consumer == "" {
		return "", ""
	}
	user := "user." + plain(consumer)
	switch m.Name {
	case "unique_users":
		return s.scope(x, m) + "user.uniques", plain(consumer)
	case "request_per_user":
		return s.scope(x, m) + user + ".request.count", "1"
	case "status_count_per_user":
		return s.scope(x, m) + user + status, "1"
	case "status_count_per_user_per_route":
		return "route." + x.Route.ID + "." + user + status, "1"
	}
	return "", "" // shdict_usage: there are no shared dictionaries
}

// measured makes names of metrics: request_size is request.size.
var measured = strings.NewReplacer("request_", "request.", "response_", "response.")

// scope is the part of a name that says whose metric it is.
func (s *statsd) scope(x *plugin.Exchange, m *stats.Metric) string {
	if x.Service == nil {
		return "global.unmatched."
	}
	return "service." + plain(or(s.service(x.Service, m), "unnamed")) + "."
}

func (s *statsd) tags(x *plugin.Exchange, m *stats.Metric, status int) []string {
	tags := []string{
		"service", or(s.service(x.Service, m), "unnamed"), "route", or(x.Route.Name, x.Route.ID), "workspace", workspace,
		"node", s.node, "status", strconv.Itoa(status),
	}
	if consumer := stats.Consumer(x.Consumer, or(m.ConsumerIdentifier, s.ConsumerIdentifierDefault)); consumer != "" {
		tags = append(tags, "consumer", consumer)
	}
	return tags
}

// tagged appends a line with tags, names and values in turn, as the server wants
// them.
func (s *statsd) tagged(out []byte, metric, value string, tags []string) []byte {
	between := "="
	if s.TagStyle == "dogstatsd" {
		between = ":"
	}
	pairs := make([]string, 0, len(tags)/2)
	for i := 0; i < len(tags); i += 2 {
		pairs = append(pairs, tags[i]+between+tagValue.Replace(tags[i+1]))
	}
	list := strings.Join(pairs, ",")
	switch s.TagStyle {
	case "influxdb":
		return fmt.Appendf(out, "%s,%s:%s", metric, list, value)
	case "librato":
		return fmt.Appendf(out, "%s#%s:%s", metric, list, value)
	case "signalfx":
		return fmt.Appendf(out, "%s[%s]:%s", metric, list, value)
	}
	return fmt.Appendf(out, "%s:%s|#%s", metric, value, list)
}

// tagValue replaces what separates tags.
var tagValue = strings.NewReplacer(",", "_", "|", "_", "#", "_", "\n", "_", ":", "_", "=", "_", "[", "_", "]", "_", " ", "_")

func (s *statsd) isAllowed(status int) bool {
	for _, r := range s.allowed {
		if status >= r[0] && status <= r[1] {
			return true
		}
	}
	return s.allowed == nil
}

func (s *statsd) service(e *entity.Service, m *stats.Metric) string {
	switch or(m.ServiceIdentifier, s.ServiceIdentifierDefault) {
	case "service_id":
		return e.ID
	case "service_name":
		return e.Name
	case "service_host":
		return e.Host
	}
	return or(e.Name, e.Host)
}

func or(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

// plain is a name as a part of a metric's: what separates parts is replaced.
func plain(s string) string {
	return strings.NewReplacer(".", "_", ":", "_", "|", "_", "@", "_", "\n", "_", " ", "_").Replace(s)
}
