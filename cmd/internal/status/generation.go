package status

import (
	"fmt"
	"strings"
	"time"

	"leaderboard"
	"leaderboard/projector"
)

// Generation is a generation of boards held against the log.
type Generation struct {
	Generation int  `json:"generation"`
	Read       bool `json:"read"`
	Dropped    bool `json:"dropped"`
	Shards     int  `json:"shards"`
	// DedupeWindow is empty before a projector has settled it.
	DedupeWindow string `json:"dedupeWindow"`
	Boards       int64  `json:"boards"`
	// Behind counts the records that are not applied yet; nil when Kafka does not tell.
	Behind     *int64              `json:"behind"`
	Partitions []PartitionProgress `json:"partitions"`
	Incomplete []int               `json:"incomplete"`
	Holes      []Hole              `json:"holes"`
}

// PartitionProgress is how far a generation has come with one partition: Behind
// counts the records of the log from Next on.
type PartitionProgress struct {
	Partition int   `json:"partition"`
	Next      int64 `json:"next"`
	End       int64 `json:"end"`
	Behind    int64 `json:"behind"`
}

// Hole is a range of the log that was deleted before it was read, without To.
type Hole struct {
	Partition int   `json:"partition"`
	From      int64 `json:"from"`
	To        int64 `json:"to"`
}

// NewGeneration holds a generation against the log, which is nil when nobody knows it.
func NewGeneration(g projector.Generation, log []leaderboard.Extent) Generation {
	p := Generation{
		Generation: g.Generation, Read: g.Read, Dropped: g.Dropped, Shards: g.Shards, Boards: g.Boards,
		Partitions: make([]PartitionProgress, len(log)),
		Incomplete: append([]int{}, g.Incomplete...),
		Holes:      make([]Hole, len(g.Holes)),
	}
	if g.DedupeWindow != nil {
		p.DedupeWindow = (time.Duration(*g.DedupeWindow) * time.Millisecond).String()
	}
	for i, h := range g.Holes {
		p.Holes[i] = Hole(h)
	}
	if log != nil {
		p.Behind = new(int64)
	}
	for i, extent := range log {
		next := g.Next[extent.Partition]
		behind := max(0, extent.End-max(next, extent.First))
		p.Partitions[i] = PartitionProgress{Partition: extent.Partition, Next: next, End: extent.End, Behind: behind}
		*p.Behind += behind
	}
	return p
}

// Lacks names what keeps the generation from being all that the log says.
func (p *Generation) Lacks() []string {
	var lacks []string
	var behind []string
	for _, partition := range p.Partitions {
		if partition.Behind > 0 {
			behind = append(behind, fmt.Sprintf("%d by %d", partition.Partition, partition.Behind))
		}
	}
	if len(behind) > 0 {
		lacks = append(lacks, fmt.Sprintf("%d records behind, partition %s", *p.Behind, strings.Join(behind, ", ")))
	}
	for _, partition := range p.Incomplete {
		lacks = append(lacks, fmt.Sprintf("partition %d is being read from its start", partition))
	}
	for _, hole := range p.Holes {
		lacks = append(lacks, fmt.Sprintf("offsets %d to %d of partition %d were deleted from the log before they were read", hole.From, hole.To-1, hole.Partition))
	}
	return lacks
}
