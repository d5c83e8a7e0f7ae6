package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/gatelab/gatelab/gateway/internal/settings"
)

// The settings in deploy/ are ones that the gateway takes; its Admin API asks for
// tokens there, and probes and Prometheus reach the status listener.
func TestDeployedSettings(t *testing.T) {
	for name, environments := range map[string]map[string][]string{
		"compose": composeEnvironments(t), "kubernetes": kubernetesEnvironments(t),
	} {
		if len(environments) == 0 {
			t.Errorf("%s: no gateway", name)
		}
		for node, environ := range environments {
			s, err := load(nil, environ)
			if err != nil {
				t.Errorf("%s, %s: %v", name, node, err)
				continue
			}
			if s.AdminTokensFile == "" || settings.IsLoopback(s.AdminListen) {
				t.Errorf("%s, %s: admin_listen=%q without tokens, or out of reach", name, node, s.AdminListen)
			}
			if settings.IsLoopback(s.StatusListen) || name == "compose" && !slices.Contains(s.StatusHosts, node) {
				t.Errorf("%s, %s: status_listen=%q, status_hosts=%q: out of Prometheus' reach", name, node, s.StatusListen, s.StatusHosts)
			}
		}
	}
}

// variable is NAME=value; files that are in a container only are replaced by one
// that is here.
func variable(t *testing.T, name, value string) string {
	if strings.HasSuffix(name, "_FILE") {
		value = filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(value, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if name == "GATEWAY_PG_DSN" {
		value = "postgres://gateway:x@postgres:5432/gateway"
	}
	return name + "=" + value
}

func composeEnvironments(t *testing.T) map[string][]string {
	t.Helper()
	var file struct {
		Services map[string]struct {
			Image       string         `yaml:"image"`
			Command     []string       `yaml:"command"` // one that does not serve, such as backup
			Environment map[string]any `yaml:"environment"`
			Volumes     []string       `yaml:"volumes"`
		} `yaml:"services"`
	}
	if err := yaml.Unmarshal([]byte(mustRead(t, "../deploy/docker/compose.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for name, s := range file.Services {
		if s.Image != "gatelab/gateway" || s.Command != nil {
			continue
		}
		for variableName, value := range s.Environment {
			text, _ := value.(string)
			out[name] = append(out[name], variable(t, variableName, text))
			if variableName == "GATEWAY_ADMIN_TOKENS_FILE" && !slices.Contains(s.Volumes, "./tokens:"+filepath.Dir(text)+":ro") {
				t.Errorf("%s: no volume has %s", name, text)
			}
		}
	}
	return out
}

func kubernetesEnvironments(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for decoder := yaml.NewDecoder(bytes.NewReader([]byte(mustRead(t, "../deploy/kubernetes/gateway.yaml")))); ; {
		var object struct {
			Kind string `yaml:"kind"`
			Spec struct {
				Template struct {
					Spec struct {
						Containers []struct {
							Name string `yaml:"name"`
							Env  []struct {
								Name  string `yaml:"name"`
								Value string `yaml:"value"`
							} `yaml:"env"`
						} `yaml:"containers"`
					} `yaml:"spec"`
				} `yaml:"template"`
			} `yaml:"spec"`
		}
		err := decoder.Decode(&object)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range object.Spec.Template.Spec.Containers {
			for _, e := range c.Env {
				out[c.Name] = append(out[c.Name], variable(t, e.Name, e.Value))
			}
		}
	}
}
