package syslog

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
	"github.com/gatelab/gatelab/gateway/internal/entity/entitytest"
	"github.com/gatelab/gatelab/gateway/internal/plugin"
	"github.com/gatelab/gatelab/gateway/internal/plugin/plugintest"
)

var uses = entitytest.Uses{
	"syslog.log_level":              `.: json:"log_level" + in.LogLevel`,
	"syslog.successful_severity":    `.: json:"successful_severity" + in.SuccessfulSeverity`,
	"syslog.client_errors_severity": `.: json:"client_errors_severity" + in.ClientErrorsSeverity`,
	"syslog.server_errors_severity": `.: json:"server_errors_severity" + in.ServerErrorsSeverity`,
	"syslog.facility":               `.: json:"facility" + in.Facility`,
	"syslog.custom_fields_by_lua":   "refused",
}

func TestEveryFieldIsUsed(t *testing.T) {
	uses.Check(t, map[string][]entity.Field{name: Definition().Config}, nil)
}

func TestSchema(t *testing.T) {
	plugintest.Schema{
		Priority: 4,
		Defaults: map[string]any{
			"log_level": "info", "successful_severity": "info", "client_errors_severity": "info", "server_errors_severity": "info",
			"facility": "user", "custom_fields_by_lua": nil,
		},
		Refused: map[string]string{
			`{"log_level":"error"}`: "log_level: expected one of: emerg, alert, crit, err, warning, notice, info, debug",
			`{"facility":"local8"}`: "facility: expected one of: kern, user",
			`{"facility":""}`:       "facility: ",
		},
	}.Check(t, Definition())
}

var message = regexp.MustCompile(`^<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d kong\[\d+\]: (\{.*\})$`)

func TestRequests(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	daemon := plugintest.ListenDatagrams(t, "unixgram", path)
	origin := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
	})
	g := plugintest.Start(t, 0, origin, []plugin.Definition{definition([]string{path + ".none", path})}, entity.Record{
		"name": name, "config": entity.Record{
			"log_level": "warning", "successful_severity": "notice", "client_errors_severity": "warning",
			"server_errors_severity": "err", "facility": "local7",
		},
	})
	for _, status := range []int{200, 404, 500} {
		g.Send(t, http.MethodGet, fmt.Sprintf("/%d", status), "")
	}
	for _, want := range []struct{ priority, uri string }{{"188", "/404"}, {"187", "/500"}} { // local7 is 23
		got := daemon.Receive(t)
		m := message.FindStringSubmatch(got)
		if m == nil || m[1] != want.priority || !strings.Contains(m[2], `"uri":"`+want.uri+`"`) {
			t.Errorf("%s: %s", want.uri, got)
		}
	}
}
