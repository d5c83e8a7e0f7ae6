package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/internal/testenv"
)

func TestABackupIsRestored(t *testing.T) {
	b := boot(t)
	c := &tool{t, b.direct, t.TempDir()}
	b.service()
	b.post("/services/ai-api/plugins", "name=request-termination", "config.status_code=418")
	b.post("/consumers", "username=alice")
	b.post("/consumers/alice/key-auth", "key=secret", "ttl=5000")
	whole, file := c.want(nil, "export"), filepath.Join(c.dir, "gateway.backup")
	command := func(dsn string, args ...string) (int, string) {
		var out strings.Builder
		code := run(append(args, "--pg-dsn="+dsn), nil, &out, &out)
		return code, out.String()
	}
	code, out := command(b.direct, "backup", file)
	if code != 0 || !strings.Contains(out, "revision 5 of") || !strings.Contains(out, "5 revisions") {
		t.Fatalf("backup: %d %s", code, out)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v %v: it has secrets", info.Mode(), err)
	}

	empty := testenv.Postgres(t)
	code, out = command(empty, "restore", file, "--dry-run")
	if code != 0 || !strings.Contains(out, "can be restored: "+file+": revision 5 of") {
		t.Fatalf("restore --dry-run: %d %s", code, out)
	}
	none := c.file("none.yml", "_format_version: \"3.0\"\n")
	(&tool{t, empty, c.dir}).want([]string{"would be 0 created, 0 updated, 0 deleted"}, "diff", none)
	if code, out := command(empty, "restore", file); code != 0 || !strings.Contains(out, "revision 5 of") {
		t.Fatalf("restore: %d %s", code, out)
	}
	other := &tool{t, empty, c.dir}
	if got := other.want(nil, "export"); got != whole {
		t.Errorf("restored:\n%s\nwant:\n%s", got, whole)
	}
	other.want([]string{"restore", "insert", `service "ai-api"`}, "history")
	other.want([]string{"0 created, 0 updated, 3 deleted"}, "rollback", "2")
	if code, out := command(empty, "restore", file); code != 1 || !strings.Contains(out, "--replace") {
		t.Errorf("over a configuration: %d %s", code, out)
	}

	// A replica that runs follows a restore.
	b.eventually("the plugin", func() bool { return b.get(b.proxy+"/ai/x").StatusCode == 418 })
	c.want([]string{"3 deleted"}, "rollback", "2")
	b.eventually("no plugin", func() bool { return b.get(b.proxy+"/ai/x").StatusCode == 200 })
	if code, out := command(b.direct, "restore", file, "--replace"); code != 0 {
		t.Fatalf("restore --replace: %d %s", code, out)
	}
	b.eventually("the plugin is back", func() bool { return b.get(b.proxy+"/ai/x").StatusCode == 418 })
	b.post("/services", "name=later", "host=h")

	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(raw), "\n")
	for _, tt := range []struct{ name, text, want string }{
		{"cut off", strings.Join(lines[:3], ""), "it ends early"},
		{"a value changed", strings.Replace(string(raw), "alice", "malice", 1), "its SHA-256 is"},
		{"a line lost", strings.Join(append(lines[:1:1], lines[2:]...), ""), "its SHA-256 is"},
		{"another file", whole, "not a whole backup"},
		{"a newer format", strings.Replace(string(raw), `"version":1`, `"version":2`, 1), `version 2: want "gatelab gateway backup", version 1`},
		{"a newer schema", strings.Replace(string(raw), `"schema":`, `"schema":9`, 1), "want a gateway that is as new"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out := command(testenv.Postgres(t), "restore", c.file("bad.backup", tt.text), "--dry-run")
			if code != 1 || !strings.Contains(out, tt.want) {
				t.Errorf("--dry-run: code %d, no %q in %s", code, tt.want, out)
			}
			code, out = command(empty, "restore", c.file("bad.backup", tt.text), "--replace")
			if code != 1 || !strings.Contains(out, tt.want) {
				t.Errorf("code %d, no %q in %s", code, tt.want, out)
			}
			if got := other.want(nil, "export"); !strings.Contains(got, "ai-api") {
				t.Errorf("a damaged backup changed something:\n%s", got)
			}
		})
	}
}
