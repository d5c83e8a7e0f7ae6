package entity

// Lists returns pointers to the lists of the configuration, by the name of their
// schema. An entity without a list is not read by the data plane.
func (c *Config) Lists() map[string]any {
	return map[string]any{
		"services": &c.Services, "routes": &c.Routes, "consumers": &c.Consumers, "plugins": &c.Plugins,
		"upstreams": &c.Upstreams, "targets": &c.Targets,
		"keyauth_credentials": &c.KeyAuths, "jwt_secrets": &c.JWTSecrets, "basicauth_credentials": &c.BasicAuths, "acls": &c.ACLs,
		"hmacauth_credentials": &c.HMACAuths, "certificates": &c.Certificates, "snis": &c.SNIs, "ca_certificates": &c.CACertificates,
		"oauth2_credentials": &c.OAuth2Credentials, "oauth2_tokens": &c.OAuth2Tokens,
	}
}

// FieldsOf returns the fields of a record: those of a plugin include its
// configuration.
func (s *Schema) FieldsOf(r Record) []Field { return s.fieldsOf(r) }
