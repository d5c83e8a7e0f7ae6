package settings

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

const dsnAllowed = "postgres://user:password@host:5432/database, with %40 for @, %2F for / and %23 for # in a password, " +
	"or pairs such as host=... user=..., with '...' around a password that has blanks; files that it names must be readable"

var parameterName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

// namesServer finds a pair that says where the database is, or as whom to log in.
var namesServer = regexp.MustCompile(`(^|\s)(host|port|user|dbname|database|service)\s*=`)

// checkDSN rejects what the Postgres client cannot parse, and what it would parse
// differently from what was meant: parts of a password with an unescaped
// delimiter would become a host, a database or a parameter, which errors and logs
// show. The error contains nothing of the text.
func checkDSN(dsn string) error {
	if _, rest, ok := strings.Cut(dsn, "://"); ok {
		if end := strings.IndexAny(rest, "/?#"); end >= 0 && strings.ContainsAny(rest[end:], "@#") {
			return errNotAllowed // the rest of a password
		}
	}
	if strings.TrimSpace(dsn) == "" || !strings.Contains(dsn, "://") && !namesServer.MatchString(dsn) {
		return errNotAllowed // pairs that are parameters of a session only
	}
	c, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return errNotAllowed
	}
	for name := range c.ConnConfig.RuntimeParams {
		if !parameterName.MatchString(name) {
			return errNotAllowed
		}
	}
	return nil
}

// HidePassword returns a DSN with *** for its password, to be logged: a URL as it
// is written, pairs as the client parses them.
func HidePassword(dsn string) string {
	if checkDSN(dsn) != nil {
		return "***"
	}
	if !strings.Contains(dsn, "://") {
		return showPairs(dsn)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "***"
	}
	userinfo := ""
	if u.User != nil {
		userinfo = url.User(u.User.Username()).String()
		if _, has := u.User.Password(); has {
			userinfo += ":***"
		}
		userinfo += "@"
	}
	u.User = nil
	u.RawQuery = hideInQuery(u.RawQuery)
	return strings.Replace(u.String(), "://", "://"+userinfo, 1)
}

// hideInQuery replaces the values of parameters with pass in their names.
func hideInQuery(query string) string {
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		raw, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(raw)
		if err != nil || strings.Contains(strings.ToLower(name), "pass") {
			pairs[i] = raw + "=***"
		}
	}
	return strings.Join(pairs, "&")
}

// showPairs returns the pairs that identify the database.
func showPairs(dsn string) string {
	c, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return "***"
	}
	host, port := c.ConnConfig.Host, strconv.Itoa(int(c.ConnConfig.Port))
	shown := fmt.Sprintf("host=%s port=%s user=%s database=%s", host, port, c.ConnConfig.User, c.ConnConfig.Database)
	for _, f := range c.ConnConfig.Fallbacks {
		if f.Host != host {
			shown += " or host=" + net.JoinHostPort(f.Host, strconv.Itoa(int(f.Port)))
		}
	}
	if c.ConnConfig.Password != "" {
		shown += " password=***"
	}
	return shown
}
