package fault

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gatelab/gatelab/harness/internal/lab"
	"github.com/gatelab/gatelab/harness/internal/topology"
)

// SQLSTATEs that the faults on Postgres expect.
const (
	tooManyConnections = "53300"
	diskIsFull         = "53100"
	deadlockDetected   = "40P01"
)

func isState(err error, state string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == state
}

// postgresDSN reaches the lab's database from outside.
func postgresDSN(s Spec, l Lab) (string, error) {
	n, err := find(s, l)
	if err != nil {
		return "", err
	}
	if n.Role() != topology.RolePostgres {
		return "", fmt.Errorf("fault %s: %s is no Postgres", s.Kind, s.Target)
	}
	return fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", lab.PostgresUser, lab.PostgresPassword,
		n.HostAddr(topology.PortPostgres), lab.PostgresDatabase), nil
}
