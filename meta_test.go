package leaderboard

import "testing"

func TestMetaFieldsAreToldApart(t *testing.T) {
	for field, want := range map[string]struct{ shards, dropped int }{
		MetaShards(12):       {shards: 12},
		MetaDropped(3):       {dropped: 3},
		MetaRetired(3):       {},
		MetaIncomplete(3, 1): {},
		MetaRead:             {},
		"shards:":            {},
		"shards:x":           {},
		"shards:1:2":         {},
	} {
		shards, isShards := ParseMetaShards(field)
		dropped, isDropped := ParseMetaDropped(field)
		if (isShards && shards != want.shards) || isShards != (want.shards > 0) || (isDropped && dropped != want.dropped) || isDropped != (want.dropped > 0) {
			t.Errorf("%s is read as shards of %d (%t), dropped %d (%t)", field, shards, isShards, dropped, isDropped)
		}
	}
}
