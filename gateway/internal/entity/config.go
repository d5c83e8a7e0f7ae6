package entity

import "errors"

// ErrTokenGone says that a token that was to be replaced is not there any more:
// another request has replaced it, or it was deleted.
var ErrTokenGone = errors.New("the token is gone")

// Ref is a foreign key as Kong writes it: {"id": "<uuid>"}.
type Ref struct {
	ID string `json:"id"`
}

// Service is an upstream API that the gateway forwards to. Time-outs are
// milliseconds; CreatedAt and UpdatedAt are Unix seconds.
type Service struct {
	ID             string   `json:"id"`
	Name           string   `json:"name,omitempty"`
	Protocol       string   `json:"protocol"`
	Host           string   `json:"host"`
	Port           int      `json:"port"`
	Path           string   `json:"path,omitempty"`
	Retries        int      `json:"retries"`
	ConnectTimeout int      `json:"connect_timeout"`
	WriteTimeout   int      `json:"write_timeout"`
	ReadTimeout    int      `json:"read_timeout"`
	Enabled        bool     `json:"enabled"`
	Tags           []string `json:"tags,omitempty"`
	CreatedAt      int64    `json:"created_at"`
	UpdatedAt      int64    `json:"updated_at"`

	// Of https services. TLSVerify nil leaves it to the gateway's setting.
	TLSVerify         *bool    `json:"tls_verify,omitempty"`
	TLSVerifyDepth    *int     `json:"tls_verify_depth,omitempty"`
	CACertificates    []string `json:"ca_certificates,omitempty"` // ids
	ClientCertificate *Ref     `json:"client_certificate,omitempty"`
}

// Route says which requests belong to a service. Paths start with "/" (prefix)
// or "~" (regular expression).
type Route struct {
	ID                      string              `json:"id"`
	Name                    string              `json:"name,omitempty"`
	Protocols               []string            `json:"protocols"`
	Methods                 []string            `json:"methods,omitempty"`
	Hosts                   []string            `json:"hosts,omitempty"`
	Paths                   []string            `json:"paths,omitempty"`
	Headers                 map[string][]string `json:"headers,omitempty"`
	SNIs                    []string            `json:"snis,omitempty"`
	HTTPSRedirectStatusCode int                 `json:"https_redirect_status_code"`
	RegexPriority           int                 `json:"regex_priority"`
	StripPath               bool                `json:"strip_path"`
	PathHandling            string              `json:"path_handling"`
	PreserveHost            bool                `json:"preserve_host"`
	RequestBuffering        bool                `json:"request_buffering"`
	ResponseBuffering       bool                `json:"response_buffering"`
	Service                 *Ref                `json:"service,omitempty"`
	Tags                    []string            `json:"tags,omitempty"`
	CreatedAt               int64               `json:"created_at"`
	UpdatedAt               int64               `json:"updated_at"`
}

// Consumer is a caller of the gateway, known by a credential.
type Consumer struct {
	ID       string   `json:"id"`
	Username string   `json:"username,omitempty"`
	CustomID string   `json:"custom_id,omitempty"`
	Tags     []string `json:"tags,omitempty"`
}

// KeyAuth is a key-auth credential of a consumer. ExpiresAt is when it ends, in
// Unix milliseconds; 0: never.
type KeyAuth struct {
	ID        string `json:"id"`
	Key       string `json:"key"`
	Consumer  Ref    `json:"consumer"`
	ExpiresAt int64  `json:"expires_at,omitempty"`
}

// JWTSecret is a jwt credential of a consumer: what the tokens are signed with
// that name its key.
type JWTSecret struct {
	ID           string `json:"id"`
	Key          string `json:"key"`
	Algorithm    string `json:"algorithm"`
	Secret       string `json:"secret"`         // of algorithms with a shared secret
	RSAPublicKey string `json:"rsa_public_key"` // PEM, of the others
	Consumer     Ref    `json:"consumer"`
}

// BasicAuth is a basic-auth credential of a consumer. Password is a hash.
type BasicAuth struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	Password string `json:"password"`
	Consumer Ref    `json:"consumer"`
}

// HMACAuth is a hmac-auth credential of a consumer.
type HMACAuth struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	Secret   string `json:"secret"`
	Consumer Ref    `json:"consumer"`
}

// OAuth2Credential is an application of a consumer that is given tokens.
// ClientSecret is a hash where HashSecret says so.
type OAuth2Credential struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	ClientID     string   `json:"client_id"`
	ClientSecret string   `json:"client_secret"`
	HashSecret   bool     `json:"hash_secret"`
	ClientType   string   `json:"client_type"` // confidential or public
	RedirectURIs []string `json:"redirect_uris,omitempty"`
	Consumer     Ref      `json:"consumer"`
}

// OAuth2Token is a token that was issued for an application. CreatedAt is Unix
// seconds, ExpiresIn seconds after that until the access token ends, 0: never.
// Service is nil where the token is good for all of them.
type OAuth2Token struct {
	ID           string `json:"id"`
	CreatedAt    int64  `json:"created_at"`
	Service      *Ref   `json:"service,omitempty"`
	Credential   Ref    `json:"credential"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token,omitempty"`
	UserID       string `json:"authenticated_userid,omitempty"`
	Scope        string `json:"scope,omitempty"`
	ExpiresAt    int64  `json:"expires_at,omitempty"` // when its row ends, Unix milliseconds; 0: never
}

// ACL is a group that a consumer is in.
type ACL struct {
	ID       string `json:"id"`
	Group    string `json:"group"`
	Consumer Ref    `json:"consumer"`
}

// Plugin is a plugin's configuration and where it applies: nil references
// mean everywhere. Config has its defaults filled in.
type Plugin struct {
	ID           string         `json:"id"`
	Name         string         `json:"name"`
	InstanceName string         `json:"instance_name,omitempty"`
	Config       map[string]any `json:"config"`
	Service      *Ref           `json:"service,omitempty"`
	Route        *Ref           `json:"route,omitempty"`
	Consumer     *Ref           `json:"consumer,omitempty"`
	Protocols    []string       `json:"protocols"`
	Enabled      bool           `json:"enabled"`
}

// Upstream is a virtual host name that is balanced over targets.
type Upstream struct {
	ID                     string       `json:"id"`
	Name                   string       `json:"name"`
	Algorithm              string       `json:"algorithm"`
	Slots                  int          `json:"slots"`
	HashOn                 string       `json:"hash_on"`
	HashFallback           string       `json:"hash_fallback"`
	HashOnHeader           string       `json:"hash_on_header,omitempty"`
	HashFallbackHeader     string       `json:"hash_fallback_header,omitempty"`
	HashOnCookie           string       `json:"hash_on_cookie,omitempty"`
	HashOnCookiePath       string       `json:"hash_on_cookie_path,omitempty"`
	HashOnQueryArg         string       `json:"hash_on_query_arg,omitempty"`
	HashFallbackQueryArg   string       `json:"hash_fallback_query_arg,omitempty"`
	HashOnURICapture       string       `json:"hash_on_uri_capture,omitempty"`
	HashFallbackURICapture string       `json:"hash_fallback_uri_capture,omitempty"`
	HostHeader             string       `json:"host_header,omitempty"`
	UseSRVName             bool         `json:"use_srv_name,omitempty"`
	Healthchecks           Healthchecks `json:"healthchecks"`
	ClientCertificate      *Ref         `json:"client_certificate,omitempty"`
	Tags                   []string     `json:"tags,omitempty"`
}

// Target is one host:port behind an upstream; weight 0 takes it out.
type Target struct {
	ID       string `json:"id"`
	Target   string `json:"target"`
	Weight   int    `json:"weight"`
	Upstream Ref    `json:"upstream"`
}

// Config is the whole of what the data plane needs, read in one transaction
// at one revision.
type Config struct {
	Revision  int64
	Services  []Service
	Routes    []*Route // a change of one of many copies the list: not the routes
	Consumers []Consumer
	KeyAuths  []KeyAuth
	Plugins   []Plugin
	Upstreams []Upstream
	Targets   []Target

	JWTSecrets []JWTSecret
	BasicAuths []BasicAuth
	HMACAuths  []HMACAuth
	ACLs       []ACL

	OAuth2Credentials []OAuth2Credential
	// OAuth2Tokens are those of a declarative file. Where there is a database, tokens
	// are looked up in it one by one.
	OAuth2Tokens []OAuth2Token

	Certificates   []Certificate
	CACertificates []CACertificate
	SNIs           []SNI

	Trial *Trial // nil: none is running
}

// Certificate is a certificate with its key, in PEM.
type Certificate struct {
	ID   string `json:"id"`
	Cert string `json:"cert"`
	Key  string `json:"key"`
}

// SNI is a server name, which may have a wildcard, with the certificate that is
// presented to clients that ask for it.
type SNI struct {
	Name        string `json:"name"`
	Certificate Ref    `json:"certificate"`
}

// CACertificate is who may sign an upstream's certificate, in PEM.
type CACertificate struct {
	ID   string `json:"id"`
	Cert string `json:"cert"`
}
