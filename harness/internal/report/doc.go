// Package report says what a run found, for programs and for people: a Result
// as result.json, Markdown, one HTML file, Go's benchmark format, a terminal
// table and a picture of the ladder. All of them are made from the Result
// alone, so that a report can be made again without running again.
//
// A figure that was not measured is absent: a nil pointer here, no field in
// JSON, "n/a" for people; never zero. A stage that is not valid says so, with
// its reasons, in every format.
package report
