package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// forged is a backup with other lines, and the check sum of those.
func forged(t *testing.T, backup []byte, change func(lines []map[string]any)) []byte {
	t.Helper()
	var lines []map[string]any
	for line := range bytes.Lines(backup) {
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		var l map[string]any
		if err := d.Decode(&l); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	lines = lines[:len(lines)-1]
	change(lines)
	var out bytes.Buffer
	for _, l := range lines {
		if err := json.NewEncoder(&out).Encode(l); err != nil {
			t.Fatal(err)
		}
	}
	sum := sha256.Sum256(out.Bytes())
	fmt.Fprintf(&out, "{\"sha256\":%q}\n", hex.EncodeToString(sum[:]))
	return out.Bytes()
}

// TestForgedBackupsAreRefused: a check sum says that a file is whole, not that a gateway has written it.
func TestForgedBackupsAreRefused(t *testing.T) {
	p, ctx := open(t, Config{Schemas: schemas}), context.Background()
	service := insert(t, p, "services", entity.Record{"name": "a", "host": "h"})
	insert(t, p, "routes", entity.Record{"name": "r", "paths": []any{"/"}, "service": map[string]any{"id": service["id"]}})
	var backup bytes.Buffer
	if _, err := p.Backup(ctx, &backup); err != nil {
		t.Fatal(err)
	}
	row := func(table string, change func(row, body map[string]any)) func([]map[string]any) {
		return func(lines []map[string]any) {
			for _, l := range lines {
				if l["table"] == table {
					r := l["row"].(map[string]any)
					body, _ := r["body"].(map[string]any)
					change(r, body)
					return
				}
			}
		}
	}
	const other = "00000000-0000-0000-0000-00000000abcd"
	for name, c := range map[string]struct {
		change func([]map[string]any)
		want   string
	}{
		"nothing":   {change: func([]map[string]any) {}},
		"a type":    {row("services", func(_, body map[string]any) { body["host"] = 5 }), "cannot be decoded"},
		"no object": {row("services", func(r, _ map[string]any) { r["body"] = []any{1} }), "are not those of its body"},
		"an id":     {row("services", func(_, body map[string]any) { body["id"] = other }), "are not those of its body"},
		"a name":    {row("services", func(r, _ map[string]any) { r["name"] = "b" }), "are not those of its body"},
		"a reference": {row("routes", func(_, body map[string]any) { body["service"] = map[string]any{"id": other} }),
			"are not those of its body"},
		"a position":   {row("services", func(r, _ map[string]any) { r["seq"] = uint64(1<<63 - 1) }), "has the position"},
		"a revision":   {row("revisions", func(r, _ map[string]any) { r["id"] = 1000 }), "want them from 1"},
		"the revision": {func(lines []map[string]any) { lines[0]["revision"] = uint64(1<<63 - 2) }, "want them from 1"},
	} {
		_, err := p.Restore(ctx, bytes.NewReader(forged(t, backup.Bytes(), c.change)), RestoreOptions{Replace: true, Actor: "test"})
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrBackup) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if _, err := p.Snapshot(ctx); err != nil {
			t.Errorf("%s: afterwards: %v", name, err)
		}
	}
	insert(t, p, "services", entity.Record{"name": "later", "host": "h"})
}
