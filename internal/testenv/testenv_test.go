package testenv

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

func TestPostgresGivesEachCallADatabaseOfItsOwn(t *testing.T) {
	ctx := context.Background()
	for range 2 {
		conn, err := pgx.Connect(ctx, Postgres(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(ctx, "CREATE TABLE once (n int)"); err != nil {
			t.Errorf("the database is not new: %v", err)
		}
		_ = conn.Close(ctx)
	}
}

func TestRedisAnswers(t *testing.T) {
	c := redis.NewClient(&redis.Options{Addr: Redis(t)})
	defer c.Close()
	if err := c.Ping(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
}
