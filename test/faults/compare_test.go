package faults

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"

	"leaderboard"
	"leaderboard/test/oracle"
	"leaderboard/test/programs"
)

// layout is that of the generation which the projectors write.
var layout = leaderboard.Layout{Generation: 1, Shards: 16}

// awaitBoards waits until every board in Redis holds what the log says, and every
// shard knows that it does.
func (w *world) awaitBoards() {
	w.t.Helper()
	w.stream.flush()
	ends, err := w.ends(w.activities())
	if err != nil {
		w.t.Fatal(err)
	}
	w.readLog(ends)
	w.checkLog()
	want, _ := w.expected()
	programs.Await(w.t, "the boards to equal the oracle's", func() error {
		if err := w.compareFences(ends); err != nil {
			return err
		}
		return w.compareRedis(want)
	})
}

// compareRedis tells the first difference between Redis and the oracle.
func (w *world) compareRedis(want *oracle.Oracle) error {
	ctx, all := context.Background(), boards()
	ranks, times, synced := make([]*redis.ZSliceCmd, len(all)), make([]*redis.MapStringStringCmd, len(all)), make([]*redis.StringCmd, len(all))
	_, err := w.store.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, b := range all {
			ranks[i] = pipe.ZRevRangeWithScores(ctx, layout.RankKey(b), 0, -1)
			times[i] = pipe.HGetAll(ctx, layout.UsersKey(b))
			synced[i] = pipe.HGet(ctx, layout.BoardsKey(layout.Shard(b)), b.String())
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	for i, b := range all {
		ranking := want.Ranking(b)
		got, err := decodeRanking(ranks[i].Val(), ruleOf(b).Ascending)
		if err == nil {
			err = difference(got, ranking)
		}
		if err == nil {
			err = compareTimes(times[i].Val(), ranking)
		}
		if at, _ := synced[i].Int64(); err == nil && at != want.Synced(b) {
			err = fmt.Errorf("it was synced at %d, not at %d", at, want.Synced(b))
		}
		if err != nil {
			return fmt.Errorf("board %s %+v: %w", b, ruleOf(b), err)
		}
	}
	return nil
}

func difference(got, want []oracle.Entry) error {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Errorf("number %d of %d is %+v, not %+v of %d", i+1, len(got), got[i], want[i], len(want))
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("it has %d entries, not %d", len(got), len(want))
	}
	return nil
}

// decodeRanking takes members apart by hand: 2^48-1 minus time in six bytes, 2^63-1
// minus user in eight.
func decodeRanking(members []redis.Z, ascending bool) ([]oracle.Entry, error) {
	var entries []oracle.Entry
	for _, m := range members {
		member := m.Member.(string)
		if len(member) != 14 {
			return nil, fmt.Errorf("the member %x has not 14 bytes", member)
		}
		milli := int64(m.Score)
		if ascending {
			milli = -milli
		}
		entries = append(entries, oracle.Entry{User: 1<<63 - 1 - number(member[6:]), Milli: milli, Time: 1<<48 - 1 - number(member[:6])})
	}
	return entries, nil
}

// number reads bytes as a big-endian number.
func number(bytes string) int64 {
	n, err := strconv.ParseInt(fmt.Sprintf("%x", bytes), 16, 64)
	if err != nil {
		return -1
	}
	return n
}

// compareTimes holds the users hash, in which a user's id has no more bytes than it
// needs, against the ranking.
func compareTimes(times map[string]string, ranking []oracle.Entry) error {
	if len(times) != len(ranking) {
		return fmt.Errorf("it has %d users' times for %d entries", len(times), len(ranking))
	}
	for _, e := range ranking {
		id := fmt.Sprintf("%x", e.User)
		field, err := hex.DecodeString(strings.Repeat("0", len(id)%2) + id)
		if err != nil {
			return err
		}
		if held := times[string(field)]; len(held) != 6 || 1<<48-1-number(held) != e.Time {
			return fmt.Errorf("the time of user %d is %x, not of %+v", e.User, held, e)
		}
	}
	return nil
}

// settle waits until the whole stream is on the boards and the service says so,
// and checks what else has to hold then.
func (w *world) settle() {
	w.t.Helper()
	w.awaitBoards()
	want, poison := w.expected()
	programs.Await(w.t, "the committed offsets to reach the end of the log", w.compareCommitted)
	for _, p := range w.projectors {
		p.AwaitReady()
	}
	w.query.AwaitReady()
	for _, b := range boards() {
		programs.Await(w.t, "the API to answer as the oracle", func() error { return w.compareAPI(b, want) })
	}
	w.checkRanks(want)
	w.checkDeadLetters(poison)
	if err := w.compareRedis(want); err != nil {
		w.t.Errorf("at the end: %v", err)
	}
	w.verify()
}

// verify asks the program what it thinks of the boards.
func (w *world) verify() {
	w.t.Helper()
	verify := programs.Command(w.t, "verify", slices.Concat(w.topicFlags(), w.store.readerFlags, []string{"--kafka-brokers", w.brokers[0]})...)
	err := verify.Wait()
	switch {
	case w.lost != nil && err == nil:
		w.t.Error("leaderboard verify is content with a log that has holes")
	case w.lost == nil && err != nil:
		w.t.Errorf("leaderboard verify: %v\n%s%s", err, verify.Stdout, verify.Stderr)
	}
}

// compareFences holds the fences of all shards against where the log ends.
func (w *world) compareFences(ends map[int]int64) error {
	want := map[string]string{}
	for partition, end := range ends {
		want[fmt.Sprint(partition)] = fmt.Sprint(end)
	}
	for shard := range layout.Shards {
		fences, err := w.store.client.HGetAll(context.Background(), layout.FenceKey(shard)).Result()
		if err != nil {
			return err
		}
		if !maps.Equal(fences, want) {
			return fmt.Errorf("shard %d stands at %v, the log ends at %v", shard, fences, want)
		}
	}
	return nil
}

// compareCommitted holds the group's offsets against where the log ends.
func (w *world) compareCommitted() error {
	ends, err := w.ends(w.activities())
	if err != nil {
		return err
	}
	committed, err := w.committed(ends)
	if err != nil {
		return err
	}
	if !maps.Equal(committed, ends) {
		return fmt.Errorf("committed are %v, the log ends at %v", committed, ends)
	}
	return nil
}

// checkDeadLetters requires one or more dead letters of every poison, and none of
// anything else.
func (w *world) checkDeadLetters(poison map[place]bool) {
	w.t.Helper()
	topic := w.topics + "deadletters"
	ends, err := w.ends(topic)
	if err != nil {
		w.t.Fatal(err)
	}
	left := int64(0)
	for _, end := range ends {
		left += end
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	buried := map[place]bool{}
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			w.t.Fatalf("read the dead letters: %v", err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			left--
			buried[placeOf(r)] = true
		})
	}
	if !maps.Equal(buried, poison) {
		w.t.Errorf("%d records are dead letters, %d were poison", len(buried), len(poison))
	}
}

// placeOf is where the record of a dead letter was.
func placeOf(letter *kgo.Record) place {
	number := func(header string) int64 {
		i := slices.IndexFunc(letter.Headers, func(h kgo.RecordHeader) bool { return h.Key == header })
		if i < 0 {
			return -1
		}
		n, err := strconv.ParseInt(string(letter.Headers[i].Value), 10, 64)
		if err != nil {
			return -1
		}
		return n
	}
	return place{int32(number("dl.partition")), number("dl.offset")}
}

const clientID, clientSecret = "tester", "a secret"

// ask gets an answer of the API.
func (w *world) ask(path, body string, into any) error {
	request, err := http.NewRequest(http.MethodGet, w.query.API()+"/v3.1/leaderboards/"+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.SetBasicAuth(clientID, clientSecret)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// compareAPI tells the first difference between a board over HTTP and the oracle.
func (w *world) compareAPI(b leaderboard.Board, want *oracle.Oracle) error {
	var answer struct {
		Pagination struct{ Total int }
		Data       struct {
			Synced   time.Time `json:"lastSyncTimeISO"`
			Rankings []struct {
				Rank  int
				User  int64       `json:"userId"`
				Value json.Number `json:"achievedValue"`
				At    time.Time   `json:"lastActivityTimeISO"`
			}
		}
	}
	if err := w.ask(fmt.Sprintf("targetGroups/%d?targetId=%d&periodId=%d&pageSize=100&pageLimit=100", b.Group, b.Rule, b.Period), "", &answer); err != nil {
		return err
	}
	var got []oracle.Entry
	for i, r := range answer.Data.Rankings {
		if r.Rank != i+1 {
			return fmt.Errorf("board %s: number %d has rank %d", b, i+1, r.Rank)
		}
		milli, err := thousandths(r.Value)
		if err != nil {
			return fmt.Errorf("board %s: %w", b, err)
		}
		got = append(got, oracle.Entry{User: r.User, Milli: milli, Time: r.At.UnixMilli()})
	}
	ranking := want.Ranking(b)
	if err := difference(got, ranking); err != nil {
		return fmt.Errorf("board %s: %w", b, err)
	}
	if answer.Pagination.Total != len(ranking) || answer.Data.Synced.UnixMilli() != want.Synced(b) {
		return fmt.Errorf("board %s: total %d, synced at %s; the oracle has %d and %d", b, answer.Pagination.Total, answer.Data.Synced, len(ranking), want.Synced(b))
	}
	return nil
}

// thousandths reads a decimal number without going through a float.
func thousandths(n json.Number) (int64, error) {
	whole, fraction, _ := strings.Cut(n.String(), ".")
	if len(fraction) > 3 {
		return 0, fmt.Errorf("%s has more than three decimals", n)
	}
	return strconv.ParseInt(whole+(fraction + "000")[:3], 10, 64)
}

// checkRanks asks for the ranks of some users on all boards of a group.
func (w *world) checkRanks(want *oracle.Oracle) {
	w.t.Helper()
	const asked = 10
	places := map[leaderboard.Board]map[int64]int{}
	var items []string
	for _, b := range boards() {
		places[b] = map[int64]int{}
		for i, e := range want.Ranking(b) {
			places[b][e.User] = i + 1
		}
		if b.Group == keyedGroup {
			items = append(items, fmt.Sprintf(`{"targetGroupId":%d,"targetRuleId":%d,"periodId":%d}`, b.Group, b.Rule, b.Period))
		}
	}
	for range asked {
		user := 1 + w.random.Int64N(users)
		var answer struct {
			Data struct {
				UserRanks []struct {
					Rule   leaderboard.TargetRuleID `json:"targetRuleId"`
					Period leaderboard.PeriodID     `json:"periodId"`
					Rank   int
				}
			}
		}
		if err := w.ask(fmt.Sprintf("user/%d", user), "["+strings.Join(items, ",")+"]", &answer); err != nil {
			w.t.Error(err)
			continue
		}
		got := map[leaderboard.Board]int{}
		for _, r := range answer.Data.UserRanks {
			got[leaderboard.Board{Org: org, Group: keyedGroup, Rule: r.Rule, Period: r.Period}] = r.Rank
		}
		for b := range places {
			if b.Group == keyedGroup && got[b] != places[b][user] {
				w.t.Errorf("user %d has rank %d on board %s, but stands at %d", user, got[b], b, places[b][user])
			}
		}
	}
}
