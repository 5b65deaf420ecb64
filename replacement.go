package leaderboard

// ReplacementKeys are where the new content of a board is gathered before it takes
// the place of the old: a sorted set and a hash as those of [Layout.RankKey] and
// [Layout.UsersKey], under a name of the attempt's own. They expire.
//
//	lb:{1.7}:new:<attempt>:rank:<board>
//	lb:{1.7}:new:<attempt>:users:<board>
func (l Layout) ReplacementKeys(b Board, attempt string) (rank, users string) {
	prefix := "new:" + attempt + ":"
	shard := l.Shard(b)
	return l.key(shard, prefix+"rank:"+b.String()), l.key(shard, prefix+"users:"+b.String())
}
