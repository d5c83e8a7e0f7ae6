// Package prices holds the price lists of the project, so that programs find them without a checkout.
package prices

import "embed"

// Files are the price lists.
//
//go:embed *.yaml
var Files embed.FS
