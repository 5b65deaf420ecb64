package status

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"leaderboard/consumer"
)

// Problem is something that is wrong.
type Problem struct {
	Problem string `json:"problem"`
	// Advice says what to do, and Runbook where more is said.
	Advice  string `json:"advice"`
	Runbook string `json:"runbook"`
}

// Err is an error when something is wrong.
func (r *Report) Err() error {
	switch len(r.Problems) {
	case 0:
		return nil
	case 1:
		return errors.New("something is wrong: " + r.Problems[0].Problem)
	default:
		return fmt.Errorf("%d things are wrong, the first: %s", len(r.Problems), r.Problems[0].Problem)
	}
}

// problem takes note of one; section is that of the runbook.
func (r *Report) problem(section, advice, format string, args ...any) {
	r.Problems = append(r.Problems, Problem{
		Problem: fmt.Sprintf(format, args...), Advice: advice, Runbook: "docs/runbook.md#" + strings.ToLower(section),
	})
}

func (r *Report) findProblems(l *log, s *store, topics consumer.Topics) {
	for _, server := range r.Servers {
		if server.Error != "" {
			r.problem("LeaderboardNotReady", "reach it from here, with its settings", "%s cannot be reached: %s", server.Name, server.Error)
		}
	}
	if l != nil {
		r.findTopicProblems()
		r.findLetterProblems()
	}
	if s == nil {
		return
	}
	if s.generation() == 0 {
		r.problem("LeaderboardNoProjector", "start bin/projector", "Redis names no generation of boards to read")
	} else if r.Group != nil {
		r.findGroupProblems()
	}
	if r.Catalog.TargetGroups == 0 {
		r.problem("LeaderboardNotReady", "leaderboard catalog apply, and start bin/projector", "Redis holds no target group")
	}
	r.findLogProblems(topics)
	r.findGenerationProblems()
	if n := r.Boards.Outdated; n > 0 {
		r.problem("LeaderboardBoardsOutdated", "leaderboard verify names them, leaderboard verify --repair makes them anew", "%d boards are still what an earlier catalog made of them", n)
	}
}

func (r *Report) findTopicProblems() {
	for _, t := range r.Topics {
		if t.Missing {
			r.problem("Topics-that-differ", "leaderboard topics create", "topic %s is missing", t.Name)
		}
		for _, fault := range t.Faults {
			r.problem("Topics-that-differ", Advice(fault), "topic %s: %s", t.Name, fault)
		}
	}
}

// Advice says how a fault of a topic can be mended.
func Advice(fault consumer.TopicFault) string {
	switch {
	case fault.Mendable:
		return "leaderboard topics create --alter"
	case fault.Setting == "replicas":
		return "kafka-reassign-partitions.sh of Kafka adds replicas"
	default:
		return "kafka-topics.sh of Kafka adds partitions to activities; in another topic keys would move: make a new one, publish to it again, and name it in the settings"
	}
}

func (r *Report) findLetterProblems() {
	letters := r.DeadLetters
	switch {
	case letters == nil:
	case letters.Unsettled == nil:
		r.problem("LeaderboardDeadLetters", "leaderboard deadletters list", "there are more than %d dead letters", mostLetters)
	case *letters.Unsettled > 0:
		r.problem("LeaderboardDeadLetters", "leaderboard deadletters list, then replay or discard", "dead letters are not settled: %s", letters.reasons())
	}
}

// reasons lists how many dead letters there are by reason.
func (d *DeadLetters) reasons() string {
	var counts []string
	for _, reason := range slices.Sorted(maps.Keys(d.ByReason)) {
		counts = append(counts, fmt.Sprintf("%d %s", d.ByReason[reason], reason))
	}
	return strings.Join(counts, ", ")
}

// lagging is the lag from which on there is an alert.
const lagging = 50_000

func (r *Report) findGroupProblems() {
	if len(r.Group.Members) == 0 {
		r.problem("LeaderboardNoProjector", "start bin/projector, with the generation that is read", "no projector is in group %s: the boards stand still", r.Group.Name)
	}
	for _, p := range r.Partitions {
		if p.Lag != nil && *p.Lag > lagging {
			r.problem("LeaderboardLagging", "see that projectors run, and whether they come nearer", "partition %d is %d records behind", p.Partition, *p.Lag)
		}
	}
}

// findLogProblems holds the fences against the log.
func (r *Report) findLogProblems(topics consumer.Topics) {
	for _, p := range r.Partitions {
		if p.LogEnd == nil || p.FenceHighest == nil {
			continue
		}
		switch {
		case *p.FenceHighest > *p.LogEnd:
			r.problem("LeaderboardDown", "build the boards into a new generation: bin/projector --generation N", "%s/%d ends at offset %d, but Redis has applied it up to %d: the topic was made anew",
				topics.Activities, p.Partition, *p.LogEnd, *p.FenceHighest)
		case *p.FenceLowest < *p.LogStart && *p.FenceHighest > 0:
			r.problem("LeaderboardHole", "give the topic more retention, and start projectors", "offsets %d to %d of %s/%d were deleted from the log before they were read",
				*p.FenceLowest, *p.LogStart-1, topics.Activities, p.Partition)
		}
	}
}

func (r *Report) findGenerationProblems() {
	for _, g := range r.Generations {
		switch {
		case g.Dropped:
			r.problem("LeaderboardRewound", fmt.Sprintf("leaderboard generations drop %d", g.Generation), "generation %d is dropped but not all freed", g.Generation)
		case g.Read:
			for _, partition := range g.Incomplete {
				r.problem("LeaderboardNotReady", "watch the lag: it ends by itself", "boards are incomplete: partition %d is being read from its start", partition)
			}
			for _, h := range g.Holes {
				r.problem("LeaderboardHole", "publish them again from their source, or start a generation from a snapshot", "offsets %d to %d of partition %d are on no board", h.From, h.To-1, h.Partition)
			}
		}
	}
}
