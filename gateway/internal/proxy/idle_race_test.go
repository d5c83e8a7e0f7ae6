//go:build race

package proxy

// idleBytes is what an idle connection may need. The race detector lets pools forget at random: 10.6 to 17.7 KiB were seen with it.
const idleBytes = 24 << 10
