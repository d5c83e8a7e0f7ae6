package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/gatelab/gatelab/gateway/internal/admin"
)

// tokenCommand is `gateway token new NAME`: it prints a token, once, and its line
// for a tokens file. It reads no settings. It returns the exit code.
func tokenCommand(args []string, stdout, stderr io.Writer) int {
	fs := pflag.NewFlagSet("gateway token", pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	role := fs.String("role", string(admin.ReadWrite), "")
	file := fs.String("file", "", "")
	err := fs.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		fmt.Fprint(stdout, tokenUsage)
		return exitOK
	}
	if err == nil && (fs.NArg() != 2 || fs.Arg(0) != "new") {
		err = errors.New("want `gateway token new NAME [--role read-only|read-write] [--file FILE]`")
	}
	if err != nil {
		fmt.Fprintf(stderr, "gateway token: %v\n", err)
		return exitUsage
	}
	token, text, err := admin.NewToken(fs.Arg(1), admin.Role(*role))
	if err != nil {
		fmt.Fprintf(stderr, "gateway token: %v\n", err)
		return exitUsage
	}
	if *file == "" {
		fmt.Fprintf(stdout, "token (shown this once): %s\nline for admin_tokens_file: %s\n", text, token)
		return exitOK
	}
	if err := admin.AppendToken(*file, token); err != nil {
		fmt.Fprintf(stderr, "gateway token: %v\n", err)
		return exitFailed
	}
	fmt.Fprintln(stdout, text)
	return exitOK
}

const tokenUsage = `gateway token new NAME [--role read-only|read-write] [--file FILE]

Create a token for the Admin API. The token is printed once and not stored. The
tokens file (setting admin_tokens_file) contains only its hash.

  --role   read-write (the default), or read-only: GET, HEAD, OPTIONS and
           POST /schemas/{name}/validate
  --file   append the line to this file, which is created if it does not exist,
           and print only the token
`
