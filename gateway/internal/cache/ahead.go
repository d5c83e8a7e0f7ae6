package cache

// ReadAhead counts n bytes more (fewer, where n is negative) that fills have read
// from origins and that their clients have not taken yet. ok tells whether all
// fills together stay within Config.AheadBytes: where they do not, one that is
// ahead of its client waits for it.
func (s *Store) ReadAhead(n int) (ok bool) {
	return s.ahead.Add(int64(n)) <= s.cfg.AheadBytes
}
