package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// goKong is the official client, whose own tests say what an Admin API is.
const goKong = "github.com/kong/go-kong/kong"

// TestConformance runs go-kong's own tests, each against an empty Admin API.
// Those that are known not to pass stand in testdata/conformance.txt with the
// reason; one that stands there and passes is a failure too, so that the list
// stays true. What go-kong skips by itself (another version, Enterprise) is
// counted.
func TestConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("needs PostgreSQL, and -short asks for tests without servers: run make conformance")
	}
	binary, dir := buildGoKong(t)
	known := knownFailures(t)
	b := boot(t)
	var passed, skipped int
	ran := map[string]bool{}
	for _, name := range listTests(t, binary) {
		ran[name] = true
		b.empty()
		out, err := runTest(t, binary, dir, name, b.admin)
		why, expected := known[name]
		switch {
		case err == nil && expected:
			t.Errorf("%s passes now; testdata/conformance.txt says it cannot: %s", name, why)
		case err == nil && strings.Contains(out, "--- SKIP: "+name+" "):
			skipped++
		case err == nil:
			passed++
		case !expected:
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	for name := range known {
		if !ran[name] {
			t.Errorf("testdata/conformance.txt names %s, which go-kong does not have", name)
		}
	}
	if passed < 50 {
		t.Errorf("%d tests passed: too few to mean anything", passed)
	}
	t.Logf("go-kong's tests: %d pass, %d skipped by themselves, %d known not to pass (testdata/conformance.txt)", passed, skipped, len(known))
}

// buildGoKong compiles the client's tests at the version of go.mod, and says
// where their source lies: some read files beside it.
func buildGoKong(t *testing.T) (binary, dir string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "go-kong.test")
	out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", binary, goKong).CombinedOutput()
	if err != nil {
		t.Fatalf("build go-kong's tests: %v\n%s", err, out)
	}
	out, err = exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", goKong).Output()
	if err != nil {
		t.Fatalf("find go-kong's source: %v", err)
	}
	return binary, strings.TrimSpace(string(out))
}

func listTests(t *testing.T, binary string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, "-test.list", "^Test").Output()
	if err != nil {
		t.Fatalf("list go-kong's tests: %v", err)
	}
	return strings.Fields(string(out))
}

// runTest runs one test in a process of its own: some of them panic where an
// answer is not what they want, and would take the others along.
func runTest(t *testing.T, binary, dir, name, admin string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "-test.v", "-test.run", "^"+regexp.QuoteMeta(name)+"$")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "KONG_ADMIN_URL="+admin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// knownFailures reads the list: a test and the reason a line, # for comments.
func knownFailures(t *testing.T) map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "conformance.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	out := map[string]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, why, ok := strings.Cut(line, " ")
		if !ok {
			t.Fatalf("testdata/conformance.txt: %q has no reason", line)
		}
		out[name] = strings.TrimSpace(why)
	}
	return out
}

// empty deletes every entity over the Admin API, what refers to others first.
func (b *testGateway) empty() {
	b.t.Helper()
	collections := []string{
		"plugins", "routes", "services", "upstreams", "consumers", "snis", "certificates", "ca_certificates", "keys", "key-sets",
	}
	for _, collection := range collections {
		var list struct {
			Data []struct {
				ID string `json:"id"`
			} `json:"data"`
		}
		if err := json.Unmarshal([]byte(b.get(b.admin+"/"+collection+"?size=1000").text), &list); err != nil {
			b.t.Fatalf("list %s: %v", collection, err)
		}
		for _, one := range list.Data {
			if status := b.send(http.MethodDelete, fmt.Sprintf("%s/%s/%s", b.admin, collection, one.ID)); status != http.StatusNoContent {
				b.t.Fatalf("delete %s %s: status %d", collection, one.ID, status)
			}
		}
	}
}

// TestKnownFailuresAreSorted keeps the list readable.
func TestKnownFailuresAreSorted(t *testing.T) {
	body, err := os.ReadFile(filepath.Join("testdata", "conformance.txt"))
	if err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(knownFailures(t)))
	at := 0
	for _, name := range names {
		i := strings.Index(string(body[at:]), name+" ")
		if i < 0 {
			t.Fatalf("%s is out of order", name)
		}
		at += i
	}
}
