package entity

import "encoding/json"

// keySets is the schema of sets of keys. Plugins of Kong Enterprise read keys; nothing in this gateway does. They are kept for
// configurations that have them.
func keySets() *Schema {
	return &Schema{
		Name: "key_sets", Path: "key-sets", Singular: "key_set", EndpointKey: "name",
		Fields: append([]Field{
			idField(),
			str("name").with(unique),
			tagsField(),
		}, stamps()...),
	}
}

func keys() *Schema {
	secretText := func(f *Field) { f.Encrypted = true }
	return &Schema{
		Name: "keys", Singular: "key", EndpointKey: "name",
		Unique: [][]string{{"kid", "set"}},
		Fields: append([]Field{
			idField(),
			foreign("set", "key_sets", "cascade"),
			str("name").with(unique),
			str("kid").with(required),
			str("jwk").with(referenceable).with(secretText),
			{Name: "pem", Kind: Rec, Fields: []Field{
				str("private_key").with(referenceable).with(secretText),
				str("public_key").with(referenceable).with(secretText),
			}},
			tagsField(),
		}, stamps()...),
		Checks: []Check{
			{Describe: map[string]any{"mutually_exclusive": []any{"jwk", "pem"}}, Run: keyMaterial},
			{Run: sameKID},
		},
	}
}

// keyMaterial wants the key in one of its two forms.
func keyMaterial(r Record) map[string]any {
	switch jwk, pem := r["jwk"] != nil, r["pem"] != nil; {
	case jwk && pem:
		return map[string]any{"@entity": []any{"only one or none of these fields must be set: 'jwk', 'pem'"}}
	case !jwk && !pem:
		return map[string]any{"@entity": []any{"at least one of these fields must be non-empty: 'jwk', 'pem'"}}
	}
	return nil
}

// sameKID wants a JSON object with a kty, and the key's own kid.
func sameKID(r Record) map[string]any {
	text, ok := r["jwk"].(string)
	if !ok || isReference(text) {
		return nil
	}
	var jwk struct {
		KTY string `json:"kty"`
		KID string `json:"kid"`
	}
	if err := json.Unmarshal([]byte(text), &jwk); err != nil {
		return map[string]any{"jwk": "could not load JWK, likely not a valid key: want a JSON object"}
	}
	if jwk.KTY == "" {
		return map[string]any{"jwk": "could not load JWK, likely not a valid key: kty is missing"}
	}
	if jwk.KID != r["kid"] {
		return map[string]any{"jwk": "kid in jwk.kid must be equal to keys.kid"}
	}
	return nil
}
