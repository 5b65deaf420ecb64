package leaderboard

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Value is an achieved value in thousandths, so that three decimals are exact.
// It stays within ±MaxValue, where a float64 (a Redis score) is exact too.
type Value int64

// MaxValue is the largest value of an activity and of an entry:
// 9,007,199,254,740.991, which is 2^53-1 thousandths. A sum that would leave
// the range stays at its end.
const MaxValue Value = 1<<53 - 1

// Errors of [ParseValue].
var (
	ErrNotDecimal  = errors.New("not a decimal number")
	ErrValueRange  = errors.New("outside ±9007199254740.991")
	errLongDecimal = errors.New("longer than 400 characters")
)

// ParseValue reads a decimal number as JSON writes it ("250.5", "-3", "1e3").
// More than three decimals are rounded half away from zero.
func ParseValue(s string) (Value, error) {
	if len(s) > 400 {
		return 0, errLongDecimal
	}
	digits, negative := strings.CutPrefix(s, "-")
	mantissa, exponent, hasExponent := strings.Cut(digits, "e")
	if !hasExponent {
		mantissa, exponent, hasExponent = strings.Cut(digits, "E")
	}
	whole, fraction, hasPoint := strings.Cut(mantissa, ".")
	if !allDigits(whole) || (hasPoint && !allDigits(fraction)) {
		return 0, ErrNotDecimal
	}
	shift := 3
	if hasExponent {
		e, err := strconv.Atoi(exponent)
		switch {
		case errors.Is(err, strconv.ErrSyntax):
			return 0, ErrNotDecimal
		case err != nil || e > 1000 || e < -1000:
			e = max(-1000, min(1000, e))
		}
		shift += e
	}
	// The number is 0.<all digits> scaled by point places; thousandths are the
	// digits before the point, the digit after it decides the rounding.
	all := whole + fraction
	point := len(whole) + shift
	var n int64
	for i := range point {
		d := int64(0)
		if i < len(all) {
			d = int64(all[i] - '0')
		} else if n == 0 {
			break
		}
		n = n*10 + d
		if n > int64(MaxValue) {
			return 0, ErrValueRange
		}
	}
	if point >= 0 && point < len(all) && all[point] >= '5' {
		n++
	}
	if n > int64(MaxValue) {
		return 0, ErrValueRange
	}
	if negative {
		n = -n
	}
	return Value(n), nil
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// AppendText appends the value as the API prints it: a whole number as an
// integer, others without trailing zeros.
func (v Value) AppendText(b []byte) ([]byte, error) {
	n := uint64(v)
	if v < 0 {
		b = append(b, '-')
		n = -n
	}
	b = strconv.AppendUint(b, n/1000, 10)
	if f := n % 1000; f != 0 {
		b = append(b, '.', byte('0'+f/100), byte('0'+f/10%10), byte('0'+f%10))
		for b[len(b)-1] == '0' {
			b = b[:len(b)-1]
		}
	}
	return b, nil
}

// MarshalJSON writes the value as a JSON number.
func (v Value) MarshalJSON() ([]byte, error) { return v.AppendText(nil) }

func (v Value) String() string {
	b, _ := v.AppendText(nil)
	return string(b)
}

// Millis is an instant in milliseconds since 1970-01-01 UTC.
type Millis int64

// MaxMillis bounds what [Layout] can order: 48 bits, the year 10889.
const MaxMillis Millis = 1<<48 - 1

// MillisOf is t cut to milliseconds.
func MillisOf(t time.Time) Millis { return Millis(t.UnixMilli()) }

// Time is the instant in UTC.
func (m Millis) Time() time.Time { return time.UnixMilli(int64(m)).UTC() }

// Score is what the sorted set holds for a value: thousandths, negated on an
// ascending board so that every board reads from its greatest score down.
func (v Value) Score(o Order) float64 {
	if o == Ascending {
		return float64(0 - v)
	}
	return float64(v)
}

// ValueOfScore is the inverse of [Value.Score].
func ValueOfScore(score float64, o Order) Value {
	v := Value(math.Round(score))
	if o == Ascending {
		return -v
	}
	return v
}
