// Package cloudflare holds the edge: the Worker that is deployed at Cloudflare,
// and the runtime that carries the same file in a lab.
package cloudflare

import "embed"

//go:embed worker.js package.json edge/*.mjs
var files embed.FS

// Files are what an edge node needs, by path relative to one folder: worker.js
// and package.json, and below edge/ the runtime, whose entry is
// edge/server.mjs.
func Files() map[string][]byte {
	out := map[string][]byte{}
	for _, name := range []string{"worker.js", "package.json", "edge/server.mjs", "edge/cache.mjs", "edge/origin.mjs"} {
		b, err := files.ReadFile(name)
		if err != nil {
			panic(err) // it is embedded, or this would not have been built
		}
		out[name] = b
	}
	return out
}
