package settings

import (
	"os"
	"time"

	"github.com/gatelab/gatelab/internal/webguard"
)

// Table is the rows of all settings, in the order of --help.
type Table []*Setting

// NewTable returns the table of all settings, bound to s, which it sets to the
// defaults.
func NewTable(s *Settings) Table {
	var all Table
	for _, rows := range []func(*Settings) Table{
		nodeRows, listenerRows, tlsRows, adminRows, databaseRows, postgresRows, upstreamRows, dnsRows, retryRows, clientRows, requestRows,
		cacheRows, redisRows, logRows, drainRows, runtimeRows,
	} {
		all = append(all, rows(s)...)
	}
	return all
}

// IsDefault reports whether the setting of that name was left at its default.
func (t Table) IsDefault(name string) bool {
	row := t.row(name)
	return row != nil && row.origin == originDefault
}

// row is nil where there is no setting of that name.
func (t Table) row(name string) *Setting {
	for _, row := range t {
		if row.name == name {
			return row
		}
	}
	return nil
}

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30

	millisecond = time.Millisecond
	second      = time.Second
	minute      = time.Minute
	hour        = time.Hour
	day         = 24 * time.Hour
)

const hostsAllowed = "names and addresses without ports, separated by commas"

func nodeRows(s *Settings) Table {
	host, err := os.Hostname()
	if err != nil {
		host = "gateway"
	}
	name := text("node_name", &s.NodeName, host, "name of this replica: X-Gateway-Node, logs, GET /")
	name.def = "the machine's host name"
	return Table{
		name,
		boolean("node_header", &s.NodeHeader, false, "add X-Gateway-Node to every response"),
		boolean("revision_header", &s.RevisionHeader, false,
			"add X-Gateway-Revision, the revision of the configuration that served the request, to every response"),
		choice("lookup", &s.Lookup, "snapshot", []string{"snapshot", "database"},
			"snapshot: requests use the last configuration that the replica received; "+
				"database: every request first queries Postgres for the current revision (strict, costs a round trip)"),
	}
}

func listenerRows(s *Settings) Table {
	return Table{
		listen("proxy_listen", &s.ProxyListen, "0.0.0.0:8000",
			"address of the proxy; connections are refused until a configuration is available"),
		listen("admin_listen", &s.AdminListen, "127.0.0.1:8001",
			"address of the Admin API; if it is not loopback, set admin_tokens_file or admin_tls_client_ca, "+
				"because otherwise every client that can connect can change the configuration"),
		listen("status_listen", &s.StatusListen, "127.0.0.1:8100",
			"address of /health/live, /health/ready, /status/ready and /metrics"),
	}
}

func adminRows(s *Settings) Table {
	return Table{
		names("admin_hosts", &s.AdminHosts, hostsAllowed,
			"additional host names of the Admin API; a request with another Host is rejected (403), "+
				"unless it is loopback or the address of the listener", webguard.CheckHost),
		names("admin_origins", &s.AdminOrigins, "origins such as https://admin.example.com, separated by commas",
			"web pages that may use the Admin API; pages of other origins can neither read responses nor change anything",
			webguard.CheckOrigin),
		file("admin_tokens_file", &s.AdminTokensFile,
			"file with the tokens of the Admin API: lines of name, role (read-only, read-write) and hash, as `gateway token new` prints them; "+
				"read again when it changes; none: every client that can connect to admin_listen is allowed"),
		file("admin_tls_cert", &s.AdminTLSCert,
			"PEM file of the certificate of the Admin API, which is then served only over TLS; read again when it changes"),
		file("admin_tls_key", &s.AdminTLSKey, "PEM file of the private key of admin_tls_cert"),
		file("admin_tls_client_ca", &s.AdminTLSClientCA,
			"PEM file of the authorities that sign the certificates of Admin API clients; clients then need a certificate, "+
				"and its name is recorded with their changes"),
		duration("admin_read_timeout", &s.AdminReadTimeout, 30*second, 10*millisecond, hour,
			"time within which a request to admin_listen or status_listen must arrive (408)"),
		duration("admin_wait", &s.AdminWait, second, 0, 10*second,
			"how long the response to a change waits until this replica serves it, and has X-Gateway-Revision; after this time, "+
				"it has X-Gateway-Revision-Pending instead. 0: changes are acknowledged immediately, without either"),
		names("status_hosts", &s.StatusHosts, hostsAllowed,
			"additional host names of status_listen, such as those that Prometheus scrapes", webguard.CheckHost),
	}
}

func databaseRows(s *Settings) Table {
	return Table{
		choice("database", &s.Database, "postgres", []string{"postgres", DatabaseOff},
			"where the configuration is stored; off: in a declarative file, without Postgres; "+
				"the Admin API is then read-only, except for POST /config"),
		file("declarative_config", &s.DeclarativeConfig,
			"file in Kong's declarative format (YAML or JSON), with database=off; read again when it changes; "+
				"none: the configuration comes from POST /config"),
		secretText("declarative_config_string", &s.DeclarativeText, "a declarative configuration itself, with database=off"),
		duration("declarative_poll_interval", &s.DeclarativePoll, 500*millisecond, 10*millisecond, hour,
			"interval at which declarative_config is checked; a file that is written in place is read when it has not changed for one interval"),
	}
}

func postgresRows(s *Settings) Table {
	return Table{
		postgres("pg_dsn", &s.PostgresDSN, "postgres://gateway@127.0.0.1:5432/gateway", "Postgres, as a URL or key=value pairs"),
		number("pg_max_conns", &s.PostgresMaxConns, 16, 1, 10000,
			"maximum number of connections to Postgres, in addition to the one that listens for changes"),
		duration("pg_acquire_timeout", &s.PostgresAcquireTimeout, second, millisecond, minute,
			"maximum wait for a free connection (503)"),
		duration("pg_query_timeout", &s.PostgresQueryTimeout, 5*second, 10*millisecond, hour,
			"maximum duration of a query (503); reading the whole configuration may take 30s"),
		duration("pg_poll_interval", &s.PostgresPollInterval, 5*second, 100*millisecond, hour,
			"how often the revision is polled, in addition to LISTEN/NOTIFY"),
		duration("pg_start_timeout", &s.PostgresStartTimeout, minute, 0, hour,
			"maximum wait for Postgres at start; until then proxy_listen refuses connections and /status/ready says why"),
		number("revisions_keep", &s.RevisionsKeep, 100_000, 0, 1_000_000_000,
			"maximum number of changes in the history; the oldest are deleted; 0: unlimited"),
		duration("revisions_keep_for", &s.RevisionsKeepFor, 90*day, 0, 100*365*day,
			"how long a change stays in the history; 0: forever"),
	}
}
