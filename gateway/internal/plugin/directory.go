package plugin

import (
	"strings"
	"time"

	"gatelab/gateway/internal/entity"
)

// Directory answers who a credential belongs to. It is built with a snapshot
// and never changes.
type Directory struct {
	keys      map[string]credential
	consumers map[string]*entity.Consumer // by id and by username
}

type credential struct {
	id       string
	consumer *entity.Consumer
	ends     int64 // Unix milliseconds; 0: never
}

// NewDirectory indexes a configuration's consumers and credentials.
func NewDirectory(cfg *entity.Config) *Directory {
	d := &Directory{keys: make(map[string]credential, len(cfg.KeyAuths)), consumers: make(map[string]*entity.Consumer, 2*len(cfg.Consumers))}
	for i := range cfg.Consumers {
		c := &cfg.Consumers[i]
		if c.Username != "" {
			d.consumers[c.Username] = c
		}
	}
	for i := range cfg.Consumers { // an id wins over a username that looks like one
		d.consumers[cfg.Consumers[i].ID] = &cfg.Consumers[i]
	}
	for _, k := range cfg.KeyAuths {
		if c, ok := d.consumers[k.Consumer.ID]; ok {
			d.keys[k.Key] = credential{k.ID, c, k.ExpiresAt}
		}
	}
	return d
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

// key finds a credential that has not ended. The directory may be older than
// the end: nothing in the configuration changes then.
func (d *Directory) key(k []byte) (credential, bool) {
	c, ok := d.keys[string(k)] // no allocation: the compiler knows this form
	if ok && c.ends != 0 && time.Now().UnixMilli() >= c.ends {
		return credential{}, false
	}
	return c, ok
}
