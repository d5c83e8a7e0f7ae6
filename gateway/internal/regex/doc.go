// Package regex evaluates the regular expressions of routes at a bounded cost.
//
// An expression that RE2 takes is evaluated by the standard library, in time
// linear in the text. Look-around, back-references and atomic groups need a
// backtracking engine, whose cost can be exponential: for those the package
// has a machine that counts its steps, and a Work that all evaluations of one
// request share. When it is used up the answer is not "no match" but that
// there is none, so that no request gets past an expression by making it expensive.
package regex
