// Package scenarios holds the scenarios of the project, so that programs find them without a checkout.
package scenarios

import "embed"

// Files are the scenarios and policies, the experiments in chaos, and the lists of routes in routes.
//
//go:embed *.yaml chaos/*.yaml routes/*.txt
var Files embed.FS
