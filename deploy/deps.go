// Package deploy carries what has to be at hand without a checkout.
package deploy

import _ "embed"

// Deps is a shell script that installs what is missing where it may: all that
// the tests need, or what its arguments name (postgres, redis, nginx, node,
// prometheus). It exits with 1 and says what to install where it may not.
//
//go:embed deps.sh
var Deps string
