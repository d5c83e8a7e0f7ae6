package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestConfigurationsThatAreMadeToCost: what POST /config refuses is answered,
// logged and kept in /status at a bounded length, whatever it is made of.
func TestConfigurationsThatAreMadeToCost(t *testing.T) {
	b, _ := bootFile(t, oneRoute)
	b.eventually("served", func() bool { return b.get(b.proxy+"/ai/x").StatusCode == 200 })
	const head = "_format_version: \"3.0\"\n"
	part := func(name, text string) string {
		return "--x\r\nContent-Disposition: form-data; " + name + "\r\n\r\n" + text + "\r\n"
	}
	const json = `{"_format_version": "3.0", `
	const end = "--x--\r\n"
	const form = "multipart/form-data; boundary=x"
	for _, c := range []struct{ name, kind, body, want string }{
		{"many values", "application/yaml", head + "services: [" + strings.Repeat("a,", 5_000_001) + "]", "at most 5000000 values"},
		{"many objects", "application/json", `{"a": [` + strings.Repeat("{},", 2_500_000) + "{}]}", "at most 5000000 values"},
		{"many lines", "application/yaml", head + "services:\n" + strings.Repeat("- a\n", 5_000_001), "at most 5000000 values"},
		{"many problems", "application/yaml", head + "services: [" + strings.Repeat("{},", 50_000) + "]", "beyond the first 1000 problems"},
		{"many that are none", "application/yaml", head + "services: [" + strings.Repeat("1,", 50_000) + "]", "beyond the first 1000 problems"},
		{"a long name", "application/json", json + `"services": [{"name": "` + strings.Repeat("a b", 2_000_000) + `"}]}`, "name"},
		{"a long field", "application/json", json + `"` + strings.Repeat("ab", 2_000_000) + `": [1]}`, "unknown entity"},
		{"two parts", form, part(`name="config"`, head) + part(`name="config"; filename="a"`, head) + end, "expected a declarative"},
		{"a field twice", "application/x-www-form-urlencoded", "config=a&config=b", "expected a declarative"},
	} {
		before := len(b.log.String())
		res, err := http.Post(b.admin+"/config", c.kind, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), c.want) {
			t.Errorf("%s: %d %.300s, want %s", c.name, res.StatusCode, text, c.want)
		}
		logged, status := len(b.log.String())-before, len(b.get(b.admin+"/status").text)
		if len(text) > 2<<20 || logged > 1<<20 || status > 1<<20 {
			t.Errorf("%s: answered with %d bytes, logged %d, in /status %d", c.name, len(text), logged, status)
		}
	}
	if b.get(b.proxy+"/ai/x").StatusCode != 200 {
		t.Error("the configuration is not the one before")
	}
}

// TestConfigurationsAtOnce: of many that are sent together few are held in memory,
// those that wait too long are told to come again, and what stays is one of them.
func TestConfigurationsAtOnce(t *testing.T) {
	b, _ := bootFile(t, oneRoute)
	b.eventually("served", func() bool { return b.get(b.proxy+"/ai/x").StatusCode == 200 })
	statuses := make(chan int)
	for range 12 {
		go func() {
			res, err := http.Post(b.admin+"/config", "application/yaml", strings.NewReader(b.filled(oneRoute)))
			if err != nil {
				statuses <- 0
				return
			}
			res.Body.Close()
			statuses <- res.StatusCode
		}()
	}
	for range 12 {
		if s := <-statuses; s != http.StatusCreated && s != http.StatusServiceUnavailable {
			t.Errorf("answered %d", s)
		}
	}
	b.eventually("served", func() bool { return b.get(b.proxy+"/ai/x").StatusCode == 200 })
}
