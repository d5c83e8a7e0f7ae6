package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/doctor"
	"github.com/gatelab/gatelab/harness/internal/drill"
	"github.com/gatelab/gatelab/harness/internal/experiment"
	"github.com/gatelab/gatelab/harness/internal/fault"
	"github.com/gatelab/gatelab/harness/internal/session"
)

// Exit codes, for scripts.
const (
	exitOK           = 0
	exitFailed       = 1
	exitUnable       = 2
	exitInconclusive = 3
	exitInvalid      = 4
	exitObjectives   = 5
	exitStopped      = 130
)

// exitCode is a code and what it says.
type exitCode struct {
	code    int
	name    string // of it in a word or two
	meaning string
}

// exitCodes are all of them. Help texts and docs/exit-codes.md are made from this table.
var exitCodes = []exitCode{
	{code: exitOK, name: "success", meaning: "the command did what it was asked to do"},
	{
		code: exitFailed, name: "failed",
		meaning: "the command ran, and the outcome is bad: an experiment or an alert that failed, a regression, failed checks",
	},
	{code: exitUnable, name: "could not run", meaning: "the command could not run: bad input, no container engine, no disk space"},
	{code: exitInconclusive, name: "inconclusive", meaning: "a comparison ran, and its data allow no verdict"},
	{code: exitInvalid, name: "invalid here", meaning: "the run is complete, but not valid on this machine now: its figures must not be used"},
	{code: exitObjectives, name: "SLO missed", meaning: "--fail-on slo: an objective was missed, or it is not known whether it was met"},
	{code: exitStopped, name: "stopped", meaning: "stopped by a signal, such as Ctrl-C"},
}

// alwaysExits are the codes of every command.
var alwaysExits = []int{exitOK, exitUnable, exitStopped}

// exitAnnotation holds the other codes of a command.
const exitAnnotation = "exit-codes"

// withExits declares which codes a command has beside those of every command.
func withExits(c *cobra.Command, codes ...int) *cobra.Command {
	var texts []string
	for _, code := range codes {
		texts = append(texts, strconv.Itoa(code))
	}
	if c.Annotations == nil {
		c.Annotations = map[string]string{}
	}
	c.Annotations[exitAnnotation] = strings.Join(texts, ",")
	return c
}

// exitsOf are a command's codes in order; those of a command with commands are theirs too.
func exitsOf(c *cobra.Command) []int {
	out := slices.Clone(alwaysExits)
	for _, text := range strings.Split(c.Annotations[exitAnnotation], ",") {
		if code, err := strconv.Atoi(text); err == nil {
			out = append(out, code)
		}
	}
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			out = append(out, exitsOf(sub)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// writeExits lists a command's codes below its help.
func writeExits(w io.Writer, c *cobra.Command) {
	codes := exitsOf(c)
	fmt.Fprint(w, "\nExit codes:\n")
	for _, one := range exitCodes {
		if slices.Contains(codes, one.code) {
			for i, text := range wrapped(one.meaning, helpWidth-7) {
				label := strconv.Itoa(one.code)
				if i > 0 {
					label = ""
				}
				fmt.Fprintf(w, "  %-5s%s\n", label, text)
			}
		}
	}
}

// helpWidth is the width of help texts, in columns.
const helpWidth = 80

// wrapped is text in lines of at most so many columns.
func wrapped(text string, width int) []string {
	var out []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			out, line = append(out, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(out, line)
}

// Errors of this package that say that a command ran to its end.
var (
	errRegression   = errors.New("regression")
	errExperiments  = errors.New("experiments failed")
	errNotReady     = errors.New("not ready")
	errAlertsCheck  = errors.New("checks failed")
	errInconclusive = errors.New("inconclusive")
	errObjectives   = errors.New("SLO missed")
)

// failures are the errors that say that a command ran to its end, and that the outcome is bad.
var failures = []error{
	experiment.ErrUnexpected, drill.ErrAlerts, fault.ErrNoEffect, doctor.ErrChecks,
	errRegression, errExperiments, errNotReady, errAlertsCheck,
}

// exitCodeOf is the code of a command's error.
func exitCodeOf(err error) int {
	for _, one := range failures {
		if errors.Is(err, one) {
			return exitFailed
		}
	}
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errInconclusive):
		return exitInconclusive
	case errors.Is(err, errObjectives):
		return exitObjectives
	case errors.Is(err, session.ErrInvalid):
		return exitInvalid
	}
	return exitUnable
}
