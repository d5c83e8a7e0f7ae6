package main

// Certificate authorities for systems that have no list of their own, as an image that holds the binary alone: without them, https to a
// public name fails there wherever certificates are verified. A list of the system, or that of a setting, takes precedence.
import _ "golang.org/x/crypto/x509roots/fallback"
