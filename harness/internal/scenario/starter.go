package scenario

import (
	_ "embed" // the starter
	"strings"
)

//go:embed starter.yaml
var starter string

// Starter is a commented scenario of a name that runs as it is.
func Starter(name string) []byte {
	return []byte(strings.Replace(starter, "name: starter", "name: "+name, 1))
}
