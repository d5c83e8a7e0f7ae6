package plugin

import (
	"strings"
	"sync"
	"time"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// Directory tells whom a credential belongs to. It is built with a snapshot
// and never changes.
type Directory struct {
	keys      map[string]Credential
	jwts      map[string]*JWT
	basics    map[string]BasicAuth
	hmacs     map[string]HMACAuth
	oauth2    oauth2Directory
	groups    map[string][]string         // by the consumer's id
	consumers map[string]*entity.Consumer // by id and by username
	customIDs map[string]*entity.Consumer

	authorities map[string]string // PEM of ca_certificates by id
	pools       sync.Map          // see Authorities
}

// Credential is a credential and the consumer that it belongs to.
type Credential struct {
	ID       string
	Consumer *entity.Consumer
	ends     int64 // Unix milliseconds; 0: never
}

// NewDirectory indexes a configuration's consumers and credentials.
func NewDirectory(cfg *entity.Config) *Directory {
	d := &Directory{
		keys:      make(map[string]Credential, len(cfg.KeyAuths)),
		jwts:      make(map[string]*JWT, len(cfg.JWTSecrets)),
		basics:    make(map[string]BasicAuth, len(cfg.BasicAuths)),
		hmacs:     make(map[string]HMACAuth, len(cfg.HMACAuths)),
		groups:    map[string][]string{},
		consumers: make(map[string]*entity.Consumer, 2*len(cfg.Consumers)),
		customIDs: map[string]*entity.Consumer{},
	}
	for i := range cfg.Consumers {
		c := &cfg.Consumers[i]
		if c.Username != "" {
			d.consumers[c.Username] = c
		}
		if c.CustomID != "" {
			d.customIDs[c.CustomID] = c
		}
	}
	for i := range cfg.Consumers { // an id wins over a username that looks like one
		d.consumers[cfg.Consumers[i].ID] = &cfg.Consumers[i]
	}
	for _, k := range cfg.KeyAuths {
		if c, ok := d.consumers[k.Consumer.ID]; ok {
			d.keys[k.Key] = Credential{ID: k.ID, Consumer: c, ends: k.ExpiresAt}
		}
	}
	for i := range cfg.JWTSecrets {
		j := &cfg.JWTSecrets[i]
		if c, ok := d.consumers[j.Consumer.ID]; ok {
			d.jwts[j.Key] = &JWT{Credential: Credential{ID: j.ID, Consumer: c}, Secret: j}
		}
	}
	for _, b := range cfg.BasicAuths {
		if c, ok := d.consumers[b.Consumer.ID]; ok {
			d.basics[b.Username] = BasicAuth{Credential{ID: b.ID, Consumer: c}, b.Password}
		}
	}
	for i := range cfg.HMACAuths {
		h := &cfg.HMACAuths[i]
		if c, ok := d.consumers[h.Consumer.ID]; ok {
			d.hmacs[h.Username] = HMACAuth{Credential{ID: h.ID, Consumer: c}, h}
		}
	}
	d.oauth2 = newOAuth2Directory(cfg, d.consumers)
	d.authorities = make(map[string]string, len(cfg.CACertificates))
	for i := range cfg.CACertificates {
		d.authorities[cfg.CACertificates[i].ID] = cfg.CACertificates[i].Cert
	}
	for _, a := range cfg.ACLs {
		d.groups[a.Consumer.ID] = append(d.groups[a.Consumer.ID], a.Group)
	}
	return d
}

// Groups are those that a consumer is in, in the order in which it came into them.
func (d *Directory) Groups(c *entity.Consumer) []string { return d.groups[c.ID] }

// BasicAuth finds the credential with that name.
func (d *Directory) BasicAuth(username string) (BasicAuth, bool) {
	b, ok := d.basics[username]
	return b, ok
}

// BasicAuth is a basic-auth credential.
type BasicAuth struct {
	Credential
	Hash string // of the password
}

// HMACAuth finds the credential with that name.
func (d *Directory) HMACAuth(username string) (HMACAuth, bool) {
	h, ok := d.hmacs[username]
	return h, ok
}

// HMACAuth is a hmac-auth credential.
type HMACAuth struct {
	Credential
	Secret *entity.HMACAuth
}

// JWT finds the credential that tokens with that key are signed for.
func (d *Directory) JWT(key string) (*JWT, bool) {
	j, ok := d.jwts[key]
	return j, ok
}

// JWT is a jwt credential. It is shared by all requests of a configuration.
type JWT struct {
	Credential
	Secret *entity.JWTSecret

	once sync.Once
	key  any
	err  error
}

// Key is what parse makes of the credential, once.
func (j *JWT) Key(parse func(*entity.JWTSecret) (any, error)) (any, error) {
	j.once.Do(func() { j.key, j.err = parse(j.Secret) })
	return j.key, j.err
}

// ConsumerByCustomID finds a consumer by its custom_id.
func (d *Directory) ConsumerByCustomID(id string) (*entity.Consumer, bool) {
	c, ok := d.customIDs[id]
	return c, ok
}

// Consumer finds a consumer by id, in any spelling, or username.
func (d *Directory) Consumer(idOrName string) (*entity.Consumer, bool) {
	c, ok := d.consumers[idOrName]
	if !ok && len(idOrName) == 36 { // ids are lower case
		if c, ok = d.consumers[strings.ToLower(idOrName)]; ok && !strings.EqualFold(c.ID, idOrName) {
			return nil, false
		}
	}
	return c, ok
}

// Key finds the credential with that key, if it has not ended. The directory may be older
// than the end: nothing in the configuration changes then.
func (d *Directory) Key(k []byte) (Credential, bool) {
	c, ok := d.keys[string(k)] // no allocation: the compiler knows this form
	if ok && c.ends != 0 && time.Now().UnixMilli() >= c.ends {
		return Credential{}, false
	}
	return c, ok
}
