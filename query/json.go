package query

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"leaderboard"
)

// The answers are appended to a buffer, member after member: that is what a
// request costs most beside Redis. Text is as encoding/json has it without its
// escapes for HTML.

// appendText appends s as a JSON string.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	written := 0
	for i := 0; i < len(s); {
		if c := s[i]; c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if isEscaped(r, size) {
			b = appendEscaped(append(b, s[written:i]...), r)
			written = i + size
		}
		i += size
	}
	return append(append(b, s[written:]...), '"')
}

// isEscaped is false of a character that stands for itself. A RuneError of one
// byte is a byte that is not UTF-8.
func isEscaped(r rune, size int) bool {
	switch r {
	case utf8.RuneError:
		return size == 1
	case '\u2028', '\u2029': // ends of lines in JavaScript
		return true
	}
	return r < utf8.RuneSelf
}

func appendEscaped(b []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(b, '\\', byte(r))
	case '\b':
		return append(b, `\b`...)
	case '\f':
		return append(b, `\f`...)
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	return fmt.Appendf(b, `\u%04x`, r)
}

// The following append a member; name is all that goes before its value: {"rank": or ,"rank":

func appendNumber[N ~int | ~int64](b []byte, name string, n N) []byte {
	return strconv.AppendInt(append(b, name...), int64(n), 10)
}

func appendString(b []byte, name, s string) []byte { return appendText(append(b, name...), s) }

func appendValue(b []byte, name string, v leaderboard.Value) []byte {
	b, _ = v.AppendText(append(b, name...)) // never fails
	return b
}

// The two forms of a time: as the organisation reads it, 2006-01-02T15:04:05.000MST,
// and RFC 3339 in UTC.

func appendLocal(b []byte, name string, m leaderboard.Millis, zone *time.Location) []byte {
	t := m.Time().In(zone)
	return t.AppendFormat(appendClock(append(b, name...), t), `MST"`)
}

func appendISO(b []byte, name string, m leaderboard.Millis) []byte {
	return append(appendClock(append(b, name...), m.Time()), `Z"`...)
}

// appendClock appends all of a time but its zone. time.AppendFormat would read the
// layout every time, and there are two times for every user of an answer.
func appendClock(b []byte, t time.Time) []byte {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = strconv.AppendInt(append(b, '"'), int64(year), 10)
	b = appendTwo(append(b, '-'), int(month))
	b = appendTwo(append(b, '-'), day)
	b = appendTwo(append(b, 'T'), hour)
	b = appendTwo(append(b, ':'), minute)
	b = appendTwo(append(b, ':'), second)
	ms := t.Nanosecond() / int(time.Millisecond)
	return appendTwo(append(b, '.', byte('0'+ms/100)), ms%100)
}

func appendTwo(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// appendList appends an array, which is [] when there is nothing in it.
func appendList[E any](b []byte, name string, list []E, element func([]byte, E) []byte) []byte {
	b = append(append(b, name...), '[')
	for i, e := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = element(b, e)
	}
	return append(b, ']')
}
