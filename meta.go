package leaderboard

import (
	"strconv"
	"strings"
)

// Fields of [MetaKey] that tell where a generation is in its life: it is made
// (MetaShards), read (MetaRead), read no more (MetaRetired), and freed (MetaDropped).

// ParseMetaShards is the inverse of [MetaShards]; ok is false for another field.
func ParseMetaShards(field string) (generation int, ok bool) { return numberAfter(field, MetaShards) }

// MetaDedupeWindow is the field with the dedupe window, in ms, that all projectors
// of a generation have in common.
func MetaDedupeWindow(generation int) string { return "dedupe:" + strconv.Itoa(generation) }

// MetaRetired is the field with the moment, in ms, from which on readers use a
// generation no more.
func MetaRetired(generation int) string { return "retired:" + strconv.Itoa(generation) }

// MetaDropped is the field that takes the place of [MetaShards] when a generation
// is freed. It stays: nobody writes the generation again.
func MetaDropped(generation int) string { return "dropped:" + strconv.Itoa(generation) }

// ParseMetaDropped is the inverse of [MetaDropped]; ok is false for another field.
func ParseMetaDropped(field string) (generation int, ok bool) {
	return numberAfter(field, MetaDropped)
}

func numberAfter(field string, name func(int) string) (int, bool) {
	_, text, _ := strings.Cut(field, ":")
	n, err := strconv.Atoi(text)
	return n, err == nil && name(n) == field
}
