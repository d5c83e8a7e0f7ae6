-- +goose Up
-- What one replica tells all others, for those that hear no notifications because
-- a connection pooler is on the way. Kept for an hour.
CREATE TABLE words (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), text text NOT NULL);

-- +goose Down
DROP TABLE words;
