// Package route says which route a request belongs to. A Table is built once
// from all routes, never changes, and may be used by any number of goroutines;
// it follows the rules of Kong's "traditional" router flavour:
//
//   - A route matches when every kind of criterion that it sets is met. One
//     that sets more kinds wins; with equally many, the more important kinds
//     win: hosts, headers, paths, methods, SNIs.
//   - Among routes that set the same kinds: plain hosts before wildcards (and
//     in each, those with a port first), regular expression paths before
//     prefixes, more headers, higher regex_priority, longer prefix, older.
//   - Each path of a route takes its place in that order by itself.
//
// Routes are found through an index by host and, below it, a radix tree of
// paths, so a match takes about as long with ten thousand routes as with ten.
package route
