package leaderboard

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"
)

func TestParseValue(t *testing.T) {
	for _, test := range []struct {
		in   string
		want Value
		err  error
	}{
		{"0", 0, nil},
		{"-0", 0, nil},
		{"1", 1000, nil},
		{"250.5", 250_500, nil},
		{"-3.25", -3250, nil},
		{"14.000", 14_000, nil},
		{"0.0005", 1, nil},
		{"-0.0005", -1, nil},
		{"0.00049999999999", 0, nil},
		{"1.0015", 1002, nil},
		{"1e3", 1_000_000, nil},
		{"12.5E-1", 1250, nil},
		{"5e-4", 1, nil},
		{"5e-5", 0, nil},
		{"0e999999999999", 0, nil},
		{"9007199254740.991", MaxValue, nil},
		{"-9007199254740.991", -MaxValue, nil},
		{"9007199254740.9914", MaxValue, nil},
		{"9007199254740.9915", 0, ErrValueRange},
		{"9007199254740.992", 0, ErrValueRange},
		{"1e400", 0, ErrValueRange},
		{"", 0, ErrNotDecimal},
		{"-", 0, ErrNotDecimal},
		{".5", 0, ErrNotDecimal},
		{"5.", 0, ErrNotDecimal},
		{"+5", 0, ErrNotDecimal},
		{"1_000", 0, ErrNotDecimal},
		{"0x10", 0, ErrNotDecimal},
		{"1e", 0, ErrNotDecimal},
		{"1e2.5", 0, ErrNotDecimal},
		{" 1", 0, ErrNotDecimal},
		{"NaN", 0, ErrNotDecimal},
		{"Infinity", 0, ErrNotDecimal},
		{strings.Repeat("1", 401), 0, errLongDecimal},
	} {
		got, err := ParseValue(test.in)
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("ParseValue(%q) = %d, %v; want %d, %v", test.in, got, err, test.want, test.err)
		}
	}
}

func TestValuePrints(t *testing.T) {
	for v, want := range map[Value]string{
		0: "0", 21_000_000: "21000", 2_000_460: "2000.46", 1: "0.001", -1: "-0.001", 100: "0.1", -250_500: "-250.5",
		MaxValue: "9007199254740.991", -MaxValue: "-9007199254740.991",
	} {
		got, err := json.Marshal(v)
		if err != nil || string(got) != want || v.String() != want {
			t.Errorf("%d prints as %s, %s (%v), want %s", int64(v), got, v, err, want)
		}
	}
}

// FuzzParseValue compares with exact rational arithmetic.
func FuzzParseValue(f *testing.F) {
	for _, seed := range []string{"0", "1.5", "-2.0005", "1e-3", "9007199254740.9915", "00.1e2", "1e1000000"} {
		f.Add(seed)
	}
	half := big.NewRat(1, 2)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseValue(s)
		if err == nil && (got > MaxValue || got < -MaxValue) {
			t.Fatalf("ParseValue(%q) = %d is out of range", s, got)
		}
		var number json.Number
		if len(s) > 300 || json.Unmarshal([]byte(s), &number) != nil || number.String() != s {
			return
		}
		if i := strings.IndexAny(s, "eE"); i >= 0 && len(s)-i > 5 {
			return // too large for the exact arithmetic
		}
		exact, ok := new(big.Rat).SetString(s)
		if !ok {
			t.Fatalf("%q is a JSON number but not a rational", s)
		}
		exact.Mul(exact, big.NewRat(1000, 1))
		rounded := new(big.Rat).Add(new(big.Rat).Abs(exact), half)
		want := new(big.Int).Quo(rounded.Num(), rounded.Denom())
		if exact.Sign() < 0 {
			want.Neg(want)
		}
		if want.CmpAbs(big.NewInt(int64(MaxValue))) > 0 {
			if !errors.Is(err, ErrValueRange) {
				t.Fatalf("ParseValue(%q) = %d, %v; want out of range", s, got, err)
			}
			return
		}
		if err != nil || int64(got) != want.Int64() {
			t.Fatalf("ParseValue(%q) = %d, %v; want %s", s, got, err, want)
		}
	})
}

func TestScoreIsExact(t *testing.T) {
	for _, v := range []Value{0, 1, -1, MaxValue, MaxValue - 1, -MaxValue} {
		for _, o := range []Order{Ascending, Descending} {
			score := v.Score(o)
			if math.Signbit(score) && score == 0 {
				t.Errorf("the score of %d %s is a negative zero", v, o)
			}
			if back := ValueOfScore(score, o); back != v {
				t.Errorf("%d %s comes back from its score as %d", v, o, back)
			}
		}
	}
}
