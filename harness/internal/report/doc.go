// Package report renders a result.Result: Markdown, one HTML page, the Go
// benchmark format, a terminal table and plots. A report is made from the result
// alone, so that it can be rendered again without a new run.
//
// A figure that was not measured is "n/a", never zero. A stage that is not valid
// says so, with its reasons, in every format.
package report
