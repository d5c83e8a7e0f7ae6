package limit

import (
	"fmt"
	"sync/atomic"
	"testing"
)

func BenchmarkTake(b *testing.B) {
	keys := make([]string, 1024)
	for i := range keys {
		keys[i] = fmt.Sprintf("consumer:%036d", i)
	}
	const most = 1 << 40
	run := func(name string, p func(b *testing.B) Policy) {
		b.Run(name, func(b *testing.B) {
			r := mustRule(b, newLimiter(b, 0), p(b))
			b.ReportAllocs()
			b.SetParallelism(100)
			var next atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := r.Take(keys[next.Add(1)%int64(len(keys))]); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
	run("local", func(*testing.B) Policy { return Policy{Windows: Calendar([6]int64{0, most, most})} })
	run("local-sliding", func(*testing.B) Policy { return Policy{Windows: long(most), Sliding: true} })
	run("redis", func(b *testing.B) Policy {
		s, ns := realRedis(b)
		return Policy{Namespace: ns, Windows: Calendar([6]int64{0, most, most}), Redis: s}
	})
	run("redis-leased", func(b *testing.B) Policy {
		s, ns := realRedis(b)
		return Policy{Namespace: ns, Windows: Calendar([6]int64{0, most, most}), Redis: s, Lease: true}
	})
	run("redis-exhausted", func(b *testing.B) Policy {
		s, ns := realRedis(b)
		return Policy{Namespace: ns, Windows: year(1), Redis: s}
	})
	run("redis-periodic", func(b *testing.B) Policy {
		s, ns := realRedis(b)
		return Policy{Namespace: ns, Windows: year(most), Redis: s, Sync: never}
	})
}
