package plugin

import "github.com/gatelab/gatelab/gateway/internal/entity"

// CredentialFields are the fields of an entity that belongs to a consumer, such as
// the credentials of an authentication plugin, in Kong's order: id, created_at,
// consumer, those of its own, tags.
func CredentialFields(own ...entity.Field) []entity.Field {
	fields := []entity.Field{
		{Name: "id", Kind: entity.String, Match: "uuid", Auto: true},
		{Name: "created_at", Kind: entity.Integer, Auto: true},
		{Name: "consumer", Kind: entity.Foreign, Reference: "consumers", OnDelete: "cascade", Required: true},
	}
	return append(append(fields, own...),
		entity.Field{Name: "tags", Kind: entity.Set, Elements: &entity.Field{Kind: entity.String, Match: "tag"}})
}
