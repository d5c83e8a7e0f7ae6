// Package settings knows every setting of the gateway: its name, variable,
// default and allowed values. It reads them from flags, GATEWAY_* variables and
// those of Kong's variables that have the same meaning, and explains what is
// wrong with a value.
package settings

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// Settings are the values of all settings. The rows of the table say what each
// means, its default and what is allowed.
type Settings struct {
	NodeName       string
	NodeHeader     bool
	RevisionHeader bool
	Lookup         string // "snapshot" or "database"

	Database          string // "postgres" or "off"
	DeclarativeConfig string // path of a file; empty: none
	DeclarativeText   string // a declarative configuration itself; may contain secrets
	DeclarativePoll   time.Duration

	ProxyListen  string   // host:port
	TLSListen    []string // host:port each; none: no TLS
	AdminListen  string   // host:port
	StatusListen string   // host:port

	AdminHosts       []string
	AdminOrigins     []string
	AdminTokensFile  string // path; empty: no tokens
	AdminTLSCert     string // path; empty: no TLS
	AdminTLSKey      string // path
	AdminTLSClientCA string // path; empty: no client certificates
	AdminReadTimeout time.Duration
	AdminWait        time.Duration // 0: not at all
	StatusHosts      []string

	HTTP2            string // "off", "tls" or "all"
	HTTP2Streams     int
	TLSCert          string // path; empty: a self-signed one
	TLSKey           string // path
	TLSProtocols     []string
	TLSCiphers       []string // names of crypto/tls; none: its proxy's own choice
	TLSTickets       bool
	TLSStapling      bool
	TLSTicketKeyFile string // path; empty: random keys

	PostgresDSN            string // may contain a password: log HidePassword of it
	PostgresMaxConns       int
	PostgresAcquireTimeout time.Duration
	PostgresPollInterval   time.Duration
	PostgresQueryTimeout   time.Duration
	PostgresStartTimeout   time.Duration
	RevisionsKeep          int           // 0: all
	RevisionsKeepFor       time.Duration // 0: forever

	DNSOrder    []string
	DNSResolver []string // address:port each
	DNSValidTTL time.Duration

	UpstreamKeepalive   int
	UpstreamIdleTimeout time.Duration
	UpstreamMaxBuffered int64 // bytes
	UpstreamHeaderBytes int64
	UpstreamEjectAfter  int // 0: never
	UpstreamEjectFor    time.Duration
	UpstreamTLSVerify   bool
	UpstreamCAFile      string // path; empty: the system's
	RetryStatuses       []int
	RetryBudget         int // percent
	RetryMin            int // requests per second

	IdleTimeout         time.Duration
	ClientHeaderTimeout time.Duration
	ClientReadTimeout   time.Duration
	ClientBodyRate      int // bytes per second
	ClientWriteTimeout  time.Duration
	ClientResponseRate  int // bytes per second
	ClientHeaderBytes   int64
	ClientBodyBytes     int64 // 0: no limit
	MaxConnections      int
	TrustedProxies      []string // addresses and CIDR blocks
	ProxyProtocol       []string // addresses and CIDR blocks
	PathAmbiguity       string
	Underscores         string
	ViaName             string
	PluginBodyBytes     int64

	CacheMemory     int64 // bytes; 0: Redis only
	CacheMaxEntry   int64 // bytes
	CacheWriteQueue int
	CacheWait       time.Duration

	RedisTimeout     time.Duration
	RedisDialTimeout time.Duration
	RedisPoolSize    int
	RedisBreakAfter  int
	RedisBreakFor    time.Duration
	RedisCAFile      string // path; empty: the system's

	AccessLog      string
	AccessLogRate  int // lines per second
	AccessLogFlush time.Duration
	LogLevel       string
	LogFormat      string

	Profiles bool

	DrainDelay   time.Duration
	DrainIdle    time.Duration
	DrainTimeout time.Duration

	Scheduling  string
	MaxProcs    int // 0: as the container's CPU limit allows
	GCPercent   int
	MemoryLimit int64 // bytes; 0: from the container's limit
	GCFloor     int64 // bytes

	// Ignored are the variables of Kong that are set and have no meaning here,
	// each with the reason where there is one.
	Ignored []string
}

// AdminIsOpen reports whether the Admin API can be reached from other machines and
// asks for no credentials.
func (s *Settings) AdminIsOpen() bool {
	return s.AdminTokensFile == "" && s.AdminTLSClientCA == "" && !IsLoopback(s.AdminListen)
}

// IsLoopback reports whether a listener's address, host:port, can be reached from
// this machine only.
func IsLoopback(listen string) bool {
	host, _, _ := net.SplitHostPort(listen)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// check finds what is wrong with settings together.
func (s *Settings) check() error {
	if s.CacheMemory > 0 && s.CacheMaxEntry > s.CacheMemory {
		return fmt.Errorf("cache_max_entry=%q: want at most cache_memory, %s", FormatBytes(s.CacheMaxEntry), FormatBytes(s.CacheMemory))
	}
	if err := s.checkListeners(); err != nil {
		return err
	}
	if err := s.checkDatabase(); err != nil {
		return err
	}
	switch {
	case (s.AdminTLSCert == "") != (s.AdminTLSKey == ""):
		return fmt.Errorf("admin_tls_cert=%q, admin_tls_key=%q: want both or neither", s.AdminTLSCert, s.AdminTLSKey)
	case (s.TLSCert == "") != (s.TLSKey == ""):
		return fmt.Errorf("ssl_cert=%q, ssl_cert_key=%q: want both or neither", s.TLSCert, s.TLSKey)
	case s.AdminTLSClientCA != "" && s.AdminTLSCert == "":
		return fmt.Errorf("admin_tls_client_ca=%q: want admin_tls_cert and admin_tls_key as well", s.AdminTLSClientCA)
	}
	return nil
}

// checkDatabase finds settings that belong to the other kind of configuration.
func (s *Settings) checkDatabase() error {
	switch {
	case s.Database == DatabaseOff && s.Lookup == "database":
		return fmt.Errorf("lookup=%q: want snapshot with database=off: there is no database to ask", s.Lookup)
	case s.Database != DatabaseOff && s.DeclarativeConfig != "":
		return fmt.Errorf("declarative_config=%q: want database=off as well; `gateway config import` loads a file into Postgres",
			s.DeclarativeConfig)
	case s.Database != DatabaseOff && s.DeclarativeText != "":
		return errors.New("declarative_config_string=***: want database=off as well")
	case s.DeclarativeConfig != "" && s.DeclarativeText != "":
		return fmt.Errorf("declarative_config=%q, declarative_config_string=***: want one of them", s.DeclarativeConfig)
	}
	return nil
}

// DatabaseOff is the value of Database with which the configuration is a file.
const DatabaseOff = "off"

func (s *Settings) checkListeners() error {
	type listener struct{ name, addr string }
	seen := map[string]string{}
	all := []listener{{"proxy_listen", s.ProxyListen}, {"admin_listen", s.AdminListen}, {"status_listen", s.StatusListen}}
	for _, addr := range s.TLSListen {
		all = append(all, listener{"proxy_ssl_listen", addr})
	}
	for _, l := range all {
		if other, ok := seen[l.addr]; ok && !isAnyPort(l.addr) {
			return fmt.Errorf("%s=%q: want an address of its own: %s listens there", l.name, l.addr, other)
		}
		seen[l.addr] = l.name
	}
	return nil
}

// isAnyPort reports whether an address leaves the choice of the port to the
// kernel.
func isAnyPort(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	return err == nil && port == "0"
}

// errNotAllowed stands for a value that is not allowed; the row says what is.
var errNotAllowed = errors.New("not allowed")
