-- +goose Up
-- A trial is a configuration that a part of the requests is served with. While one
-- runs, current_revision names it, and nothing else changes the configuration.
CREATE TABLE trials (
  id uuid PRIMARY KEY, name text NOT NULL, rules jsonb NOT NULL, summary jsonb NOT NULL,
  changes jsonb, -- whole entities with their secrets; NULL once the trial has ended
  base bigint NOT NULL, actor text NOT NULL, started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  outcome text, reason text, ended_by text, ended_at timestamptz);
CREATE INDEX ON trials (started_at);
ALTER TABLE current_revision ADD trial uuid;

-- What each process of a replica has counted of a trial.
CREATE TABLE trial_counts (
  trial uuid NOT NULL REFERENCES trials ON DELETE CASCADE, process uuid NOT NULL, replica text NOT NULL,
  stable jsonb NOT NULL, tried jsonb NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (trial, process));

-- +goose Down
DROP TABLE trial_counts, trials;
ALTER TABLE current_revision DROP trial;
