// Package docs holds the documentation, so that programs can show it without a checkout.
package docs

import "embed"

// Files are the Markdown pages. README.md is the index: it links to every other page.
//
//go:embed *.md adr/*.md plugins/*.md
var Files embed.FS
