package syslog

import (
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatelab/gateway/internal/entity"
	"gatelab/gateway/internal/entity/entitytest"
	"gatelab/gateway/internal/plugin"
	"gatelab/gateway/internal/plugin/plugintest"
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
	schemas := plugin.NewSet(Definition()).Catalog()
	r, err := entitytest.Insert(t, schemas, "plugins", `{"name":"syslog"}`)
	want := map[string]any{
		"log_level": "info", "successful_severity": "info", "client_errors_severity": "info", "server_errors_severity": "info",
		"facility": "user", "custom_fields_by_lua": nil,
	}
	if err != nil || !reflect.DeepEqual(r["config"], want) {
		t.Errorf("config %v, %v", r["config"], err)
	}
	if p := Definition().Priority; p != 4 {
		t.Errorf("priority %d is not Kong's", p)
	}
	for config, message := range map[string]string{
		`{"log_level":"error"}`: "log_level: expected one of: emerg, alert, crit, err, warning, notice, info, debug",
		`{"facility":"local8"}`: "facility: expected one of: kern, user",
		`{"facility":""}`:       "facility: ",
	} {
		_, err := entitytest.Insert(t, schemas, "plugins", `{"name":"syslog","config":`+config+`}`)
		entitytest.Refused(t, err, message)
	}
}

var message = regexp.MustCompile(`^<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d kong\[\d+\]: (\{.*\})$`)

func TestRequests(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	daemon, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = daemon.Close() }()
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
	buf := make([]byte, 1<<16)
	_ = daemon.SetReadDeadline(time.Now().Add(10 * time.Second))
	for _, want := range []struct{ priority, uri string }{{"188", "/404"}, {"187", "/500"}} { // local7 is 23
		n, _, err := daemon.ReadFrom(buf)
		if err != nil {
			t.Fatal(err)
		}
		m := message.FindStringSubmatch(string(buf[:n]))
		if m == nil || m[1] != want.priority || !strings.Contains(m[2], `"uri":"`+want.uri+`"`) {
			t.Errorf("%s: %s", want.uri, buf[:n])
		}
	}
}
