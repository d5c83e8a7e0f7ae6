// Package junit writes the part of JUnit's XML that CI systems read.
package junit

import (
	"encoding/xml"
	"fmt"
	"io"
)

// Suite is a group of cases. Its counts follow from the cases.
type Suite struct {
	XMLName  xml.Name `xml:"testsuite"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Errors   int      `xml:"errors,attr"`
	Skipped  int      `xml:"skipped,attr"`
	Cases    []Case   `xml:"testcase"`
}

// Case is one test. Without a Failure, an Error or a Skipped it passed.
type Case struct {
	XMLName xml.Name `xml:"testcase"`
	Class   string   `xml:"classname,attr"`
	Name    string   `xml:"name,attr"`
	Failure *Said    `xml:"failure,omitempty"` // it ran, and the outcome is bad
	Error   *Said    `xml:"error,omitempty"`   // it could not be decided
	Skipped *Said    `xml:"skipped,omitempty"`
	Out     string   `xml:"system-out,omitempty"`
}

// Said is why.
type Said struct {
	Message string `xml:"message,attr"`
}

// Add adds a case.
func (s *Suite) Add(c Case) {
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Error != nil {
		s.Errors++
	}
	if c.Skipped != nil {
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

// Write writes a suite as a document.
func Write(w io.Writer, s Suite) error { return write(w, s) }

// WriteAll writes several suites as one document.
func WriteAll(w io.Writer, suites []Suite) error {
	return write(w, struct {
		XMLName xml.Name `xml:"testsuites"`
		Suites  []Suite
	}{Suites: suites})
}

func write(w io.Writer, v any) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("junit: %w", err)
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("junit: %w", err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return fmt.Errorf("junit: %w", err)
	}
	return nil
}
