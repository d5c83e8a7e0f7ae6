package admin

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Role is what a token may do.
type Role string

// The roles of tokens.
const (
	ReadOnly  Role = "read-only"  // read, and validate entities
	ReadWrite Role = "read-write" // everything
)

// Token is one line of a tokens file: a name, a role and the hash of the token,
// separated by blanks. Tokens are random (NewToken), so one round of a fast hash is
// enough: there is no dictionary to try.
type Token struct {
	Name string
	Role Role
	hash [sha256.Size]byte
}

const hashPrefix = "sha256:"

// String is the token's line of a tokens file.
func (t Token) String() string {
	return fmt.Sprintf("%s %s %s%s", t.Name, t.Role, hashPrefix, hex.EncodeToString(t.hash[:]))
}

var tokenName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

const (
	wantName = "want 1 to 64 letters, digits, dots, underscores, hyphens and @, the first a letter or digit"
	wantRole = "want read-only or read-write"
	wantHash = "want sha256: and 64 hexadecimal digits"
)

// NewToken makes a token of 256 random bits. The text is what a client sends; it
// is not kept anywhere.
func NewToken(name string, role Role) (t Token, text string, err error) {
	switch {
	case !tokenName.MatchString(name):
		return Token{}, "", fmt.Errorf("name %q is not allowed: %s", name, wantName)
	case role != ReadOnly && role != ReadWrite:
		return Token{}, "", fmt.Errorf("role %q is not allowed: %s", role, wantRole)
	}
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		return Token{}, "", fmt.Errorf("make a token: %w", err)
	}
	text = "gwt_" + base64.RawURLEncoding.EncodeToString(random)
	return Token{Name: name, Role: role, hash: sha256.Sum256([]byte(text))}, text, nil
}

// ParseTokens reads a tokens file: one token per line, # for comments. Errors name
// the line and the field but not its content, which may be a token by mistake.
func ParseTokens(raw []byte) ([]Token, error) {
	var out []Token
	names := map[string]int{}
	number := 0
	for line := range bytes.Lines(raw) {
		number++
		fields := strings.Fields(string(line))
		if len(fields) == 0 || fields[0][0] == '#' {
			continue
		}
		t, err := parseToken(fields)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if before, ok := names[t.Name]; ok {
			return nil, fmt.Errorf("line %d: name: line %d has the same; want each name once", number, before)
		}
		names[t.Name] = number
		out = append(out, t)
	}
	if len(out) == 0 {
		return nil, errors.New("no token in it: want at least one line: name, role and hash (`gateway token new NAME` makes one)")
	}
	return out, nil
}

func parseToken(fields []string) (Token, error) {
	if len(fields) != 3 {
		return Token{}, fmt.Errorf("%d fields: want three: name, role and hash", len(fields))
	}
	t := Token{Name: fields[0], Role: Role(fields[1])}
	if !tokenName.MatchString(t.Name) {
		return Token{}, fmt.Errorf("name: %s", wantName)
	}
	if t.Role != ReadOnly && t.Role != ReadWrite {
		return Token{}, fmt.Errorf("role: %s", wantRole)
	}
	digits, ok := strings.CutPrefix(fields[2], hashPrefix)
	hash, err := hex.DecodeString(digits)
	if !ok || err != nil || len(hash) != sha256.Size {
		return Token{}, fmt.Errorf("hash: %s", wantHash)
	}
	t.hash = [sha256.Size]byte(hash)
	return t, nil
}

const (
	maxTokensFile = 1 << 20
	rereadEvery   = time.Second
)

// Tokens are the tokens of a file. It is read again when a token is looked up, at
// most once per second: a token that was removed is rejected a second later.
type Tokens struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	mu     sync.Mutex
	list   []Token
	raw    []byte // that list was read from
	read   time.Time
	failed string // the error of the last reading; empty: none
}

// OpenTokens reads a tokens file. now may be nil.
func OpenTokens(path string, log *slog.Logger, now func() time.Time) (*Tokens, error) {
	if now == nil {
		now = time.Now
	}
	t := &Tokens{path: path, log: log, now: now, read: now()}
	raw, err := readTokens(path)
	if err != nil {
		return nil, err
	}
	if t.list, err = ParseTokens(raw); err != nil {
		return nil, err
	}
	t.raw = raw
	return t, nil
}

func readTokens(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxTokensFile+1))
	if err == nil && len(raw) > maxTokensFile {
		err = fmt.Errorf("longer than %d bytes", maxTokensFile)
	}
	return raw, err
}

// Find returns the token that a client sent. All are compared, each in constant
// time.
func (t *Tokens) Find(text string) (Token, bool) {
	hash := sha256.Sum256([]byte(text))
	var found Token
	ok := false
	for _, one := range t.current() {
		if subtle.ConstantTimeCompare(one.hash[:], hash[:]) == 1 {
			found, ok = one, true
		}
	}
	return found, ok
}

// current reads the file again when it is time to. An invalid file is logged
// once, and the previous tokens stay: a file that is being written must not lock
// out every client.
func (t *Tokens) current() []Token {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if now.Sub(t.read) < rereadEvery {
		return t.list
	}
	t.read = now
	raw, err := readTokens(t.path)
	if err == nil && bytes.Equal(raw, t.raw) {
		t.failed = ""
		return t.list
	}
	var list []Token
	if err == nil {
		list, err = ParseTokens(raw)
	}
	switch {
	case err == nil:
		t.list, t.raw = list, raw
		t.failed = ""
		t.log.Info("tokens file reloaded", "file", t.path, "tokens", len(list))
	case err.Error() != t.failed:
		t.failed = err.Error()
		t.log.Error("tokens file is invalid; keeping the previous tokens", "file", t.path, "error", err)
	}
	return t.list
}

// AppendToken adds a token to a tokens file, which it makes where it is missing.
// A file that is invalid, before or after, is left as it is.
func AppendToken(path string, t Token) error {
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	line := t.String() + "\n"
	if len(raw) > 0 && raw[len(raw)-1] != '\n' {
		line = "\n" + line
	}
	if _, err := ParseTokens(append(raw, line...)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	// The hash of a random token is not secret, and a container's user must read it.
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
