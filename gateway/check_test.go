package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A password with a character that ends it must not turn up in pieces.
func TestUnparsableDSNs(t *testing.T) {
	for _, dsn := range []string{
		"postgres://u:hunter2@db:port/x", "postgres://u:pa/hunter2@db/x", "postgres://u:12/hunter2@db/x", "postgres://u:12?hunter2@db/x",
		"postgres://u:12#hunter2@db/x", "postgres://u:12/x#hunter2", "postgres://u:%hunter2@db/x", "host=db password=12 hunter2 user=u",
		"host=db password='hunter2 user=u", "hunter2", "postgres://u:hunter2@db/x?sslmode=hunter2",
		"host=db password=12 hunter2=x y=3 user=u port=hunter2",
		"postgres://u:hunter2@db/x?pool_max_conns=hunter2", "host=db sslrootcert=/hunter2", "nonsense=hunter2", "hunter2=1 x=2", " ",
	} {
		for _, command := range [][]string{{"check", "--postgres"}, {"migrate"}, {"run"}} {
			for _, call := range []struct{ args, environ []string }{
				{append(command, "--pg-dsn="+dsn), nil}, {command, []string{"GATEWAY_PG_DSN=" + dsn}},
			} {
				var out strings.Builder
				if code := run(call.args, call.environ, &out, &out); code != 2 || !strings.Contains(out.String(), `="***": want postgres://`) {
					t.Errorf("%q: code %d\n%s", call, code, out.String())
				}
				if strings.Contains(out.String(), "hunter2") {
					t.Errorf("%q: a piece of it is shown:\n%s", call, out.String())
				}
			}
		}
	}
}

func TestVersionNeedsNoSettings(t *testing.T) {
	for _, args := range [][]string{{"--version"}, {"version"}, {"run", "--version"}, {"--lookup=never", "--version"}} {
		var out, errs strings.Builder
		if code := run(args, nil, &out, &errs); code != exitOK || out.String() != version+"\n" || errs.Len() > 0 {
			t.Errorf("%q: code %d, %q, %q", args, code, out.String(), errs.String())
		}
	}
}

func TestCheckNamesWhatIsIgnoredOfKong(t *testing.T) {
	environ := []string{
		"KONG_CASSANDRA_CONTACT_POINTS=c1", "KONG_PG_RO_PASSWORD=hunter2", "KONG_PROXY_LISTEN=0.0.0.0:8000, unix:/proxy ssl",
		"KONG_STATUS_LISTEN=off",
	}
	want := "KONG_CASSANDRA_CONTACT_POINTS, KONG_PG_RO_PASSWORD, KONG_PROXY_LISTEN (not served: unix:/proxy ssl), " +
		"KONG_STATUS_LISTEN (status_listen cannot be switched off)"
	var out strings.Builder
	code := run([]string{"check"}, environ, &out, &out)
	if code != 0 || !strings.Contains(out.String(), want) || strings.Contains(out.String(), "hunter2") {
		t.Errorf("check: %d\n%s", code, out.String())
	}
	if !strings.Contains(out.String(), "environment, KONG_PROXY_LISTEN") {
		t.Error("check does not show where proxy_listen comes from")
	}
}

func TestCheckReadsTheDeclarativeFile(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yml")
	if err := os.WriteFile(bad, []byte("_format_version: \"3.0\"\nservices: [{name: a, hots: h}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	code := run([]string{"check", "--database", "off", "--declarative-config", bad}, nil, &out, &out)
	if code != 1 || !strings.Contains(out.String(), "hots") {
		t.Errorf("code %d\n%s", code, out.String())
	}
}
