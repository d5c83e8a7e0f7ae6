// Package scenarios holds the scenarios of the project, so that programs find them without a checkout.
package scenarios

import "embed"

// Files are the scenarios and policies, and the experiments in chaos.
//
//go:embed *.yaml chaos/*.yaml
var Files embed.FS
