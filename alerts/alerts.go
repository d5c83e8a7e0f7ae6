// Package alerts holds the alert rules, their runbooks and their test cases, so
// that programs can carry them along.
package alerts

import "embed"

// Files are the rule files (NAME.rules.yaml), at the root.
//
//go:embed *.rules.yaml
var Files embed.FS
