package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"gatelab/gateway/internal/admin"
)

// tokenCommand is `gateway token new NAME`: it prints a token, once, and the line
// that a tokens file has of it. It reads no settings.
func tokenCommand(args []string, stdout, stderr io.Writer) int {
	fs := pflag.NewFlagSet("gateway token", pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	role := fs.String("role", string(admin.ReadWrite), "")
	file := fs.String("file", "", "")
	err := fs.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		fmt.Fprint(stdout, tokenUsage)
		return 0
	}
	if err == nil && (fs.NArg() != 2 || fs.Arg(0) != "new") {
		err = errors.New("want `gateway token new NAME [--role read-only|read-write] [--file FILE]`")
	}
	if err != nil {
		fmt.Fprintf(stderr, "gateway token: %v\n", err)
		return 2
	}
	token, text, err := admin.NewToken(fs.Arg(1), admin.Role(*role))
	if err != nil {
		fmt.Fprintf(stderr, "gateway token: %v\n", err)
		return 2
	}
	if *file == "" {
		fmt.Fprintf(stdout, "token (shown this once): %s\nline for admin_tokens_file: %s\n", text, token)
		return 0
	}
	if err := appendToken(*file, token); err != nil {
		fmt.Fprintf(stderr, "gateway token: %v\n", err)
		return 1
	}
	fmt.Fprintln(stdout, text)
	return 0
}

const tokenUsage = `gateway token new NAME [--role read-only|read-write] [--file FILE]

Makes a token of the Admin API. It is printed once and kept nowhere; a tokens
file (the setting admin_tokens_file) has its hash.

  --role   read-write (the default), or read-only: GET, HEAD, OPTIONS and
           POST /schemas/{name}/validate
  --file   append the line to this file, which is made where it is missing, and
           print the token alone
`

// appendToken adds a line to a tokens file that is in order without it and with it.
func appendToken(path string, t admin.Token) error {
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	line := t.String() + "\n"
	if len(raw) > 0 && raw[len(raw)-1] != '\n' {
		line = "\n" + line
	}
	if _, err := admin.ParseTokens(append(raw, line...)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	// The hash of a random token is no secret, and a container's user must read it.
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // as above
		return err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644) //nolint:gosec // as above
	if err != nil {
		return err
	}
	if _, err := f.WriteString(line); err != nil {
		_ = f.Close()
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Close()
}
