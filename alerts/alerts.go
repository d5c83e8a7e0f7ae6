// Package alerts embeds the alert rules, so that programs can ship them. Their
// runbooks and test cases are files beside it.
package alerts

import "embed"

// Files are the rule files (NAME.rules.yaml), at the root.
//
//go:embed *.rules.yaml
var Files embed.FS
