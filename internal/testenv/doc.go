// Package testenv gives tests real servers: one PostgreSQL and one Redis for
// each test binary, started from the machine's packages on first use, on a
// private port or socket in a temporary folder, and stopped when the test
// binary ends. GATELAB_TEST_POSTGRES and GATELAB_TEST_REDIS name running servers
// to use instead.
package testenv
