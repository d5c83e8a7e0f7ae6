// Package style holds the house rules on code that golangci-lint has no linter for, as a test.
package style
