package leaderboard

import "testing"

func BenchmarkLayoutShard(b *testing.B) {
	l := Layout{Generation: 1, Shards: 16}
	board := Board{50711, 232, 366, 243}
	b.ReportAllocs()
	for b.Loop() {
		_ = l.Shard(board)
	}
}

func BenchmarkMember(b *testing.B) {
	member := Member(1669392880000, 381329844)
	text := string(member[:])
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = Member(1669392880000, 381329844)
		}
	})
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := ParseMember(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkValue(b *testing.B) {
	for _, text := range []string{"1", "250.5", "-9007199254740.991", "1.25e3"} {
		b.Run("parse/"+text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseValue(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	var text [32]byte
	for _, v := range []Value{1000, 250_500, -MaxValue} {
		b.Run("append/"+v.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.AppendText(text[:0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
