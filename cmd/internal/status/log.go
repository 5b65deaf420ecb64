package status

import (
	"context"
	"fmt"
	"slices"

	"leaderboard"
	"leaderboard/cmd/internal/deadletters"
	"leaderboard/cmd/internal/feed"
	"leaderboard/consumer"
)

// log is what Kafka holds.
type log struct {
	topics []consumer.TopicState
	// held are the extents of the topics that are there.
	held       map[string][]leaderboard.Extent
	activities string
	newest     leaderboard.Millis
	letters    *DeadLetters
	catalog    Catalog
	// group is that of the generation that is read, or of the first.
	group *consumer.Group
}

// extents are those of the activities, nil when they are not known.
func (l *log) extents() []leaderboard.Extent {
	if l == nil {
		return nil
	}
	return l.held[l.activities]
}

func readLog(ctx context.Context, c *Config) (*log, error) {
	if err := c.Cluster.Probe(ctx); err != nil {
		return nil, err
	}
	l := &log{held: map[string][]leaderboard.Extent{}, activities: c.Topics.Activities}
	plan := append(c.Topics.Plan(0), consumer.Compacted(c.Letters.SettledTopic))
	var err error
	if l.topics, err = c.Cluster.InspectTopics(ctx, plan); err != nil {
		return nil, err
	}
	for _, t := range l.topics {
		if t.Missing {
			continue
		}
		if l.held[t.Name], err = consumer.Extents(ctx, c.Cluster, t.Name); err != nil {
			return nil, fmt.Errorf("topic %s: %w", t.Name, err)
		}
	}
	if l.newest, err = consumer.Newest(ctx, c.Cluster, c.Topics.Activities, l.extents()); err != nil {
		return nil, err
	}
	if l.held[c.Topics.Catalog] == nil {
		return l, nil
	}
	catalog, err := feed.ReadCatalog(ctx, c.Cluster, c.Topics.Catalog)
	if err != nil {
		return nil, err
	}
	l.catalog = Catalog{Orgs: len(catalog.Orgs), TargetGroups: len(catalog.TargetGroups), Source: "kafka"}
	if err := l.readLetters(ctx, c.Letters); err != nil {
		return nil, err
	}
	return l, nil
}

// mostLetters is how many dead letters are looked through.
const mostLetters = 100_000

// readLetters counts the dead letters that are not settled.
func (l *log) readLetters(ctx context.Context, box deadletters.Box) error {
	l.letters = &DeadLetters{ByReason: map[consumer.Reason]int{}}
	if l.held[box.Topic] == nil {
		return nil
	}
	if l.held[box.SettledTopic] == nil {
		box.SettledTopic = ""
	}
	if records(l.held[box.Topic]) > mostLetters {
		return nil
	}
	l.letters.Unsettled = new(int)
	return box.Each(ctx, deadletters.Filter{}, func(letter deadletters.Letter) error {
		*l.letters.Unsettled++
		l.letters.ByReason[letter.Reason]++
		return nil
	})
}

func (l *log) readGroup(ctx context.Context, c *Config, generation int) error {
	if l.extents() == nil {
		return nil
	}
	group, err := c.Cluster.DescribeGroup(ctx, c.Group(max(1, generation)), c.Topics.Activities, l.extents())
	l.group = &group
	return err
}

func records(held []leaderboard.Extent) int64 {
	sum := int64(0)
	for _, e := range held {
		sum += e.End - e.First
	}
	return sum
}

// behind counts the records from the fences on.
func behind(held []leaderboard.Extent, next map[int]int64) int64 {
	sum := int64(0)
	for _, e := range held {
		sum += max(0, e.End-max(next[e.Partition], e.First))
	}
	return sum
}

// addLog reports what Kafka holds.
func (r *Report) addLog(l *log, s *store, topics consumer.Topics) {
	if l == nil {
		return
	}
	settled := l.topics[len(l.topics)-1].Name
	for _, state := range l.topics {
		if state.Missing && state.Name == settled {
			continue // made when it is needed
		}
		t := Topic{TopicState: state, Records: records(l.held[state.Name])}
		if s != nil {
			next := map[string]map[int]int64{topics.Activities: s.read.Next, topics.Catalog: s.catalogNext, topics.Profiles: s.profilesNext}[state.Name]
			if next != nil {
				count := behind(l.held[state.Name], next)
				t.Behind = &count
			}
		}
		r.Topics = append(r.Topics, t)
	}
	r.Freshness.NewestRecord = r.moment(l.newest)
	r.DeadLetters, r.Group = l.letters, l.group
	if r.Catalog == nil {
		r.Catalog = &l.catalog
	}
}

// addPartitions reports the partitions that either side knows.
func (r *Report) addPartitions(l *log, s *store) {
	byNumber := map[int]*Partition{}
	at := func(partition int) *Partition {
		if byNumber[partition] == nil {
			byNumber[partition] = &Partition{Partition: partition}
		}
		return byNumber[partition]
	}
	for _, e := range l.extents() {
		p := at(e.Partition)
		p.LogStart, p.LogEnd = &e.First, &e.End
	}
	if s.generation() > 0 {
		for partition, next := range s.read.Next {
			p, furthest := at(partition), s.read.Furthest[partition]
			p.FenceLowest, p.FenceHighest = &next, &furthest
		}
		for _, e := range l.extents() {
			lag := behind([]leaderboard.Extent{e}, s.read.Next)
			at(e.Partition).Lag = &lag
		}
	}
	if r.Group != nil {
		for partition, offset := range r.Group.Committed {
			at(partition).Committed = &offset
		}
		for _, m := range r.Group.Members {
			for _, partition := range m.Partitions {
				at(partition).Member = m.ID
			}
		}
	}
	for _, p := range byNumber {
		r.Partitions = append(r.Partitions, *p)
	}
	slices.SortFunc(r.Partitions, func(a, b Partition) int { return a.Partition - b.Partition })
}
