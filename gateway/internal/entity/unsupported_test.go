package entity

import (
	"strings"
	"testing"
	"time"
)

// TestPluginsOfKongThatAreMissing names them, what they were to be configured on,
// and what there is in their place.
func TestPluginsOfKongThatAreMissing(t *testing.T) {
	s, _ := Core().ByName("plugins")
	const id = "0a6f1c4e-27c3-4c0b-9b45-7b7b5f2c5d01"
	for name, want := range map[string]string{
		"pre-function": "write a plugin in Go", "post-function": "runs no Lua", "aws-lambda": "function URL",
		"azure-functions": "x-functions-key",
		"ldap-auth":       "basic-auth", "loggly": "http-log", "grpc-gateway": "in the upstream",
	} {
		_, err := s.ProcessInsert(Record{"name": name, "route": map[string]any{"id": id}}, time.Now(), "")
		if err == nil {
			t.Errorf("%s is taken", name)
			continue
		}
		if message := err.Error(); !strings.Contains(message, "plugin '"+name+"' of route '"+id+"' is not supported: ") ||
			!strings.Contains(message, want) {
			t.Errorf("%s: %s", name, message)
		}
	}
}
