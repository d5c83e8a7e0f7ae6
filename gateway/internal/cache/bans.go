package cache

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
)

// A ban forgets what is stored by what it is instead of by its key: by a tag, a route or
// the beginning of its URL. Entries are not searched for. Bans have numbers that grow,
// and an entry has the number that was last when its origin was asked: those after it
// are held against it when it is looked up. The text of a ban is its kind, a colon and
// the value.
const (
	banTag    = "t:"
	banPrefix = "p:"
	banRoute  = "r:"
)

// mostBans bounds what a replica, and Redis, remember. Beyond it the older half becomes
// one ban of everything that is as old.
const mostBans = 10_000

// bans are those of one store or of one Redis.
type bans struct {
	last atomic.Uint64 // number of the newest; written with mu held

	mu       sync.RWMutex
	floor    uint64 // what was asked for before it is banned
	tags     map[string]uint64
	routes   map[string]uint64
	prefixes map[string]numbered
}

type numbered struct {
	prefix
	number uint64
}

func newBans() *bans {
	return &bans{tags: map[string]uint64{}, routes: map[string]uint64{}, prefixes: map[string]numbered{}}
}

// add takes bans under a number that is larger than all before it.
func (b *bans) add(number uint64, texts []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.put(number, texts)
}

// next is add with the number after the last.
func (b *bans) next(texts []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.put(b.last.Load()+1, texts)
}

func (b *bans) put(number uint64, texts []string) {
	for _, text := range texts {
		b.set(number, text)
	}
	b.trim()
	if number > b.last.Load() {
		b.last.Store(number)
	}
}

func (b *bans) set(number uint64, text string) {
	if len(text) < 2 {
		return
	}
	switch kind, value := text[:2], text[2:]; kind {
	case banTag:
		b.tags[value] = max(number, b.tags[value])
	case banRoute:
		b.routes[value] = max(number, b.routes[value])
	case banPrefix:
		b.prefixes[value] = numbered{parsePrefix(value), max(number, b.prefixes[value].number)}
	}
}

// trim makes the older half of too many bans one of everything.
func (b *bans) trim() {
	if b.count() <= mostBans {
		return
	}
	numbers := slices.AppendSeq(slices.AppendSeq(make([]uint64, 0, b.count()), maps.Values(b.tags)), maps.Values(b.routes))
	for _, p := range b.prefixes {
		numbers = append(numbers, p.number)
	}
	slices.Sort(numbers)
	b.raise(numbers[len(numbers)/2])
}

// raise bans what was asked for before the ban of a number.
func (b *bans) raise(number uint64) {
	b.floor = max(b.floor, number)
	maps.DeleteFunc(b.tags, func(_ string, n uint64) bool { return n <= b.floor })
	maps.DeleteFunc(b.routes, func(_ string, n uint64) bool { return n <= b.floor })
	maps.DeleteFunc(b.prefixes, func(_ string, p numbered) bool { return p.number <= b.floor })
}

func (b *bans) count() int { return len(b.tags) + len(b.routes) + len(b.prefixes) }

func (b *bans) size() float64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return float64(b.count())
}

func (b *bans) lowest() uint64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.floor
}

// hit tells whether a ban after the number since is of e.
func (b *bans) hit(e *Entry, since uint64) bool {
	if b.last.Load() <= since {
		return false
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	switch {
	case since < b.floor, b.routes[e.Of.Route] > since, b.routes[e.Of.RouteName] > since:
		return true
	}
	for _, p := range b.prefixes {
		if p.number > since && p.fits(&e.Of) {
			return true
		}
	}
	return len(b.tags) > 0 && e.tags(func(tag []byte) bool { return b.tags[string(tag)] > since })
}

// load takes them as Redis has them: the numbers by text, and those of the last ban and
// of the floor. It returns which of them this replica had not heard of.
func (b *bans) load(hash map[string]string) (news []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := b.last.Load()
	number := func(text string) uint64 {
		n, _ := strconv.ParseUint(text, 10, 64)
		return n
	}
	if floor := number(hash[bansFloor]); floor > b.floor {
		b.raise(floor)
	}
	for text, digits := range hash {
		if n := number(digits); n > known && len(text) > 2 && text[1] == ':' {
			b.set(n, text)
			news = append(news, text)
		}
	}
	b.trim()
	b.last.Store(max(known, number(hash[bansLast])))
	slices.SortFunc(news, cmp.Compare[string])
	return news
}
