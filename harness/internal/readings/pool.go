package readings

// Pool is how the gateways used their connections to Postgres.
type Pool struct {
	Known    bool
	Max      int      // of one gateway
	InUse    int      // at most, of any one gateway
	WaitP99  *float64 // for a connection, in ms
	WaitMean float64  // for a connection, in seconds per lookup
}

// PoolOf reads it from the gateways' metrics.
func PoolOf(readings []Reading) Pool {
	most, ok := Highest(readings, "gateway_postgres_connections", "state", "max")
	if !ok {
		return Pool{}
	}
	inUse, _ := Highest(readings, "gateway_postgres_connections", "state", "in_use")
	p := Pool{Known: true, Max: int(most), InUse: int(inUse)}
	h := HistogramGrowth(readings, "gateway_postgres_acquire_seconds")
	if q, ok := BucketQuantile(h, 0.99); ok {
		ms := q * 1000
		p.WaitP99 = &ms
	}
	p.WaitMean = BucketMean(h)
	return p
}
