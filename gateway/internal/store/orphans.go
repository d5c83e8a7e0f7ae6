package store

import (
	"slices"

	"github.com/gatelab/gatelab/gateway/internal/entity"
)

// dependents are the tables whose rows dropOrphans drops with those that they
// refer to, by the table that they refer to.
var dependents = map[string][]string{
	"services": {"plugins", "oauth2_tokens"},
	"routes":   {"plugins"},
	"consumers": {"plugins", "keyauth_credentials", "jwt_secrets", "basicauth_credentials", "hmacauth_credentials", "acls",
		"oauth2_credentials"},
	"upstreams":          {"targets"},
	"key_sets":           {"keys"}, // which the data plane does not read, nor issued tokens
	"oauth2_credentials": {"oauth2_tokens"},
}

// followed reports whether dropOrphans follows everything that the database deletes
// together with what was deleted.
func followed(changed map[string]*touched, schemas *entity.Catalog) bool {
	for _, child := range schemas.Schemas() {
		for _, fk := range child.ForeignKeys() {
			t := changed[fk.Schema]
			if t == nil || len(t.deleted) == 0 || fk.OnDelete != "cascade" {
				continue
			}
			if !slices.Contains(dependents[fk.Schema], child.Name) {
				return false
			}
		}
	}
	return true
}

// dropOrphans drops what belongs to entities that were deleted. Replicas write a
// revision of each such row as well; older ones did not.
func (k *cachedConfig) dropOrphans(changed map[string]*touched) {
	gone := func(table string) map[string]bool {
		if t := changed[table]; t != nil {
			return t.deleted
		}
		return nil
	}
	c, consumers := &k.config, gone("consumers")
	if services, routes := gone("services"), gone("routes"); len(services)+len(routes)+len(consumers) > 0 {
		drop(k, "plugins", &c.Plugins, func(p *entity.Plugin) bool {
			return refers(p.Service, services) || refers(p.Route, routes) || refers(p.Consumer, consumers)
		})
	}
	if len(consumers) > 0 {
		drop(k, "keyauth_credentials", &c.KeyAuths, func(e *entity.KeyAuth) bool { return consumers[e.Consumer.ID] })
		drop(k, "jwt_secrets", &c.JWTSecrets, func(e *entity.JWTSecret) bool { return consumers[e.Consumer.ID] })
		drop(k, "basicauth_credentials", &c.BasicAuths, func(e *entity.BasicAuth) bool { return consumers[e.Consumer.ID] })
		drop(k, "hmacauth_credentials", &c.HMACAuths, func(e *entity.HMACAuth) bool { return consumers[e.Consumer.ID] })
		drop(k, "oauth2_credentials", &c.OAuth2Credentials, func(e *entity.OAuth2Credential) bool { return consumers[e.Consumer.ID] })
		drop(k, "acls", &c.ACLs, func(e *entity.ACL) bool { return consumers[e.Consumer.ID] })
	}
	if upstreams := gone("upstreams"); len(upstreams) > 0 {
		drop(k, "targets", &c.Targets, func(t *entity.Target) bool { return upstreams[t.Upstream.ID] })
	}
}

func refers(to *entity.Ref, gone map[string]bool) bool { return to != nil && gone[to.ID] }

// drop takes the entities that belong to deleted ones out of a table's list.
func drop[T any](k *cachedConfig, table string, list *[]T, orphan func(*T) bool) {
	at := k.at[table]
	ids := map[string]bool{}
	for id, i := range at {
		if orphan(&(*list)[i]) {
			ids[id] = true
		}
	}
	if len(ids) > 0 {
		*list = without(*list, at, ids)
	}
}

// without copies list without the entities of ids, and brings at, the indices by
// id, into line.
func without[T any](list []T, at map[string]int, ids map[string]bool) []T {
	var removed []int // indices, ascending
	for id := range ids {
		if i, ok := at[id]; ok {
			removed = append(removed, i)
			delete(at, id)
		}
	}
	if len(removed) == 0 {
		return slices.Clone(list)
	}
	if len(removed) == len(list) {
		return nil // as an empty table is read
	}
	slices.Sort(removed)
	for id, i := range at {
		before, _ := slices.BinarySearch(removed, i)
		at[id] = i - before
	}
	out := make([]T, 0, len(list))
	for i := range list {
		if _, ok := slices.BinarySearch(removed, i); !ok {
			out = append(out, list[i])
		}
	}
	return out
}
