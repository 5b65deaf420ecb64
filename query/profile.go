package query

import (
	"errors"
	"slices"
	"strings"
)

var errNoUser = errors.New("orgId or userId is missing or not positive")

// profile takes the values of the fields from a record of the profiles. It accepts
// what [leaderboard.ParseProfile] does and finds in it the same, without making a
// map of it all.
func (f *fields) profile(record string) ([]string, error) {
	r := newJSONReader(record)
	defer r.free()
	values := slices.Clone(f.missing)
	var org, user int64
	err := r.object(func(name string) (err error) {
		switch {
		case strings.EqualFold(name, "orgId"):
			org, err = r.number(org)
		case strings.EqualFold(name, "userId"):
			user, err = r.number(user)
		case !strings.EqualFold(name, "attributes"):
			_, err = r.value()
		case r.isNull():
			copy(values, f.missing)
			_, err = r.value()
		default:
			err = r.object(func(name string) error {
				value, err := r.string()
				if i := slices.Index(f.names, name); i >= 0 {
					values[i] = value
				}
				return err
			})
		}
		return err
	})
	if err == nil {
		err = r.end()
	}
	if err == nil && (org <= 0 || user <= 0) {
		err = errNoUser
	}
	return values, err
}
