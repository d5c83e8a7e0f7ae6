-- +goose Up
-- Which authorities a service trusts is a list in its body; here the database
-- guards it like any other reference.
CREATE TABLE service_ca_certificates (
  service uuid NOT NULL REFERENCES services ON DELETE CASCADE,
  ca_certificate uuid NOT NULL REFERENCES ca_certificates ON DELETE RESTRICT,
  PRIMARY KEY (service, ca_certificate));
CREATE INDEX ON service_ca_certificates (ca_certificate);

-- A credential with a ttl ends. Those from before begin now: a new version of
-- the gateway must not lock anybody out at once.
ALTER TABLE keyauth_credentials ADD expires_at timestamptz;
CREATE INDEX ON keyauth_credentials (expires_at) WHERE expires_at IS NOT NULL;
UPDATE keyauth_credentials SET expires_at = now() + (body->>'ttl')::numeric * interval '1 second' WHERE (body->>'ttl')::numeric > 0;

-- The data plane joins bodies by text: ids in them are spelled as Postgres
-- spells them, and references are {"id"} alone.
UPDATE services SET body = jsonb_set(body, '{id}', to_jsonb(id::text)) WHERE body->>'id' <> id::text;
UPDATE routes SET body = jsonb_set(body, '{id}', to_jsonb(id::text)) WHERE body->>'id' <> id::text;
UPDATE consumers SET body = jsonb_set(body, '{id}', to_jsonb(id::text)) WHERE body->>'id' <> id::text;
UPDATE upstreams SET body = jsonb_set(body, '{id}', to_jsonb(id::text)) WHERE body->>'id' <> id::text;
UPDATE targets SET body = jsonb_set(body, '{id}', to_jsonb(id::text)) WHERE body->>'id' <> id::text;
UPDATE plugins SET body = jsonb_set(body, '{id}', to_jsonb(id::text)) WHERE body->>'id' <> id::text;
UPDATE keyauth_credentials SET body = jsonb_set(body, '{id}', to_jsonb(id::text)) WHERE body->>'id' <> id::text;
UPDATE certificates SET body = jsonb_set(body, '{id}', to_jsonb(id::text)) WHERE body->>'id' <> id::text;
UPDATE snis SET body = jsonb_set(body, '{id}', to_jsonb(id::text)) WHERE body->>'id' <> id::text;
UPDATE ca_certificates SET body = jsonb_set(body, '{id}', to_jsonb(id::text)) WHERE body->>'id' <> id::text;
UPDATE routes SET body = jsonb_set(body, '{service}', jsonb_build_object('id', service)) WHERE body->'service' <> jsonb_build_object('id', service);
UPDATE plugins SET body = jsonb_set(body, '{route}', jsonb_build_object('id', route)) WHERE route IS NOT NULL AND body->'route' <> jsonb_build_object('id', route);
UPDATE plugins SET body = jsonb_set(body, '{service}', jsonb_build_object('id', service)) WHERE service IS NOT NULL AND body->'service' <> jsonb_build_object('id', service);
UPDATE plugins SET body = jsonb_set(body, '{consumer}', jsonb_build_object('id', consumer)) WHERE consumer IS NOT NULL AND body->'consumer' <> jsonb_build_object('id', consumer);
UPDATE targets SET body = jsonb_set(body, '{upstream}', jsonb_build_object('id', upstream)) WHERE body->'upstream' <> jsonb_build_object('id', upstream);
UPDATE keyauth_credentials SET body = jsonb_set(body, '{consumer}', jsonb_build_object('id', consumer)) WHERE body->'consumer' <> jsonb_build_object('id', consumer);
UPDATE snis SET body = jsonb_set(body, '{certificate}', jsonb_build_object('id', certificate)) WHERE body->'certificate' <> jsonb_build_object('id', certificate);
UPDATE services SET body = jsonb_set(body, '{client_certificate}', jsonb_build_object('id', client_certificate)) WHERE client_certificate IS NOT NULL;
UPDATE upstreams SET body = jsonb_set(body, '{client_certificate}', jsonb_build_object('id', client_certificate)) WHERE client_certificate IS NOT NULL;
UPDATE services SET body = jsonb_set(body, '{ca_certificates}', lower(body->>'ca_certificates')::jsonb) WHERE jsonb_typeof(body->'ca_certificates') = 'array';

INSERT INTO service_ca_certificates (service, ca_certificate)
  SELECT DISTINCT s.id, c.id FROM services s, jsonb_array_elements_text(s.body->'ca_certificates') AS named, ca_certificates c
  WHERE jsonb_typeof(s.body->'ca_certificates') = 'array' AND c.id::text = named;

-- Secrets must not outlive, in the history, the entities that had them.
-- +goose StatementBegin
CREATE FUNCTION pg_temp.hide(doc jsonb, path text[]) RETURNS jsonb LANGUAGE sql AS $$
  SELECT CASE WHEN doc #>> path IS NULL THEN doc ELSE jsonb_set(doc, path, '"***"') END
$$;
-- +goose StatementEnd
UPDATE revisions SET before = pg_temp.hide(pg_temp.hide(before, '{key}'), '{key_alt}'), after = pg_temp.hide(pg_temp.hide(after, '{key}'), '{key_alt}')
  WHERE entity IN ('certificates', 'keyauth_credentials');
UPDATE revisions SET before = pg_temp.hide(pg_temp.hide(before, '{config,redis,password}'), '{config,redis_password}'),
  after = pg_temp.hide(pg_temp.hide(after, '{config,redis,password}'), '{config,redis_password}') WHERE entity = 'plugins';

-- +goose Down
ALTER TABLE keyauth_credentials DROP expires_at;
DROP TABLE service_ca_certificates;
