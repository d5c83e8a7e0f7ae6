//go:build !race

package proxy

// idleBytes is what an idle connection may need: 9.5 to 10.6 KiB were seen.
const idleBytes = 16 << 10
