package cache

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Selection is what a purge is of: whatever one of its parts names.
type Selection struct {
	Keys     []Key
	Tags     []string // of Surrogate-Key and Cache-Tag
	Routes   []string // IDs or names
	Prefixes []string // of URLs without a scheme: "/path" on any host, "host/path" on one
}

func (sel *Selection) bans() (texts []string) {
	for kind, values := range map[string][]string{banTag: sel.Tags, banRoute: sel.Routes, banPrefix: sel.Prefixes} {
		for _, v := range values {
			texts = append(texts, kind+v)
		}
	}
	return texts
}

// What Redis has under bansKey, after the store's prefix: a hash of the bans' numbers by
// their texts, with two fields more.
const (
	bansKey   = "bans"
	bansLast  = "last"
	bansFloor = "floor"
)

// A ban is told on the channel of purges as "!<number before> <number>" and a line for
// each text.
const banMessage = "!"

// ban numbers bans by the server's clock, so that numbers grow also after Redis has lost
// its data, and bounds how many there are.
var ban = redis.NewScript(`
local now = redis.call('TIME')
local before = tonumber(redis.call('HGET', KEYS[1], 'last') or '0')
local number = math.max(before + 1, now[1] * 1000 + math.floor(now[2] / 1000))
local text = string.format('%.0f', number)
local message = '!' .. string.format('%.0f', before) .. ' ' .. text
for i = 3, #ARGV do
	redis.call('HSET', KEYS[1], ARGV[i], text)
	message = message .. '\n' .. ARGV[i]
end
if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[2]) then
	local all, numbers = redis.call('HGETALL', KEYS[1]), {}
	for i = 1, #all, 2 do
		if string.sub(all[i], 2, 2) == ':' then table.insert(numbers, tonumber(all[i + 1])) end
	end
	table.sort(numbers)
	local floor = numbers[math.ceil(#numbers / 2)]
	for i = 1, #all, 2 do
		if string.sub(all[i], 2, 2) == ':' and tonumber(all[i + 1]) <= floor then redis.call('HDEL', KEYS[1], all[i]) end
	end
	redis.call('HSET', KEYS[1], 'floor', string.format('%.0f', floor))
end
redis.call('HSET', KEYS[1], 'last', text)
redis.call('PUBLISH', ARGV[1], message)
return message
`)

// PurgeSelected forgets what is selected, in this replica's memory, in every known
// Redis, and in the memory of the replicas that share one. Its cost does not depend on
// how much is stored. An error means that a Redis could not be told: then what is there,
// and in other replicas' memory, lives on.
func (s *Store) PurgeSelected(ctx context.Context, sel Selection) (err error) {
	for _, k := range sel.Keys {
		_, e := s.Purge(ctx, k)
		err = errors.Join(err, e)
	}
	texts := sel.bans()
	if len(texts) == 0 {
		return err
	}
	s.bans.next(texts)
	for _, sp := range s.eachSpace() {
		if sp.client != nil {
			err = errors.Join(err, sp.ban(ctx, texts))
		}
	}
	return err
}

func (sp *Space) ban(ctx context.Context, texts []string) error {
	prefix := sp.store.cfg.Prefix
	args := make([]any, 2, len(texts)+2)
	args[0], args[1] = prefix+purgeChannel, mostBans
	for _, text := range texts {
		args = append(args, text)
	}
	var message string
	err := sp.client.Do(ctx, func(ctx context.Context, rdb redis.Cmdable) (err error) {
		message, err = ban.Run(ctx, rdb, []string{prefix + bansKey}, args...).Text()
		return err
	})
	if err != nil {
		return fmt.Errorf("purge in Redis %s: %w", sp.client.Options().Address(), err)
	}
	sp.banned(ctx, message)
	return nil
}

// banned takes bans that some replica has told, perhaps this one.
func (sp *Space) banned(ctx context.Context, message string) {
	head, rest, _ := strings.Cut(strings.TrimPrefix(message, banMessage), "\n")
	first, second, _ := strings.Cut(head, " ")
	before, err1 := strconv.ParseUint(first, 10, 64)
	number, err2 := strconv.ParseUint(second, 10, 64)
	if err1 != nil || err2 != nil {
		return
	}
	sp.banning.Lock()
	defer sp.banning.Unlock()
	switch last := sp.bans.last.Load(); {
	case last >= number:
	case last == before:
		texts := strings.Split(rest, "\n")
		sp.bans.add(number, texts)
		sp.store.bans.next(texts)
	default:
		_ = sp.loadBans(ctx) // else the next look does
	}
}

// knows makes sure that the bans up to a number are known here. It is false where Redis
// does not tell them: then nothing of it can be used.
func (sp *Space) knows(ctx context.Context, number uint64) bool {
	if sp.bans.last.Load() >= number {
		return true
	}
	sp.banning.Lock()
	defer sp.banning.Unlock()
	return sp.bans.last.Load() >= number || sp.loadBans(ctx) == nil && sp.bans.last.Load() >= number
}

// loadBans reads all bans. It is called with banning held.
func (sp *Space) loadBans(ctx context.Context) error {
	var hash map[string]string
	err := sp.client.Do(ctx, func(ctx context.Context, rdb redis.Cmdable) (err error) {
		hash, err = rdb.HGetAll(ctx, sp.store.cfg.Prefix+bansKey).Result()
		return err
	})
	if err != nil {
		return fmt.Errorf("read purges: %w", err)
	}
	floor := sp.bans.lowest()
	news := sp.bans.load(hash)
	if sp.bans.lowest() > floor && sp.hears.Load() {
		sp.store.memory.dropAll() // what the bans were of is not known any more
	}
	if len(news) > 0 {
		sp.store.bans.next(news)
	}
	return nil
}
