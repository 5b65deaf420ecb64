package leaderboard

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Profile is what enriches a user in answers: a record of the profiles topic,
// keyed orgId:userId. All attributes are strings.
type Profile struct {
	OrgID      OrgID             `json:"orgId"`
	UserID     UserID            `json:"userId"`
	Attributes map[string]string `json:"attributes"`
}

// ParseProfile reads and checks a profile record.
func ParseProfile(value []byte) (Profile, error) {
	var p Profile
	if err := json.Unmarshal(value, &p); err != nil {
		return Profile{}, fmt.Errorf("not a profile: %w", err)
	}
	var problems []error
	if p.OrgID <= 0 {
		problems = append(problems, errors.New("orgId is missing or not positive"))
	}
	if p.UserID <= 0 {
		problems = append(problems, errors.New("userId is missing or not positive"))
	}
	return p, errors.Join(problems...)
}

// UserKey is the Kafka key of everything that concerns one user, so that a
// user's activities stay in order: orgId:userId.
func UserKey(org OrgID, user UserID) string { return fmt.Sprintf("%d:%d", org, user) }

// ParseUserKey is the inverse of [UserKey].
func ParseUserKey(s string) (OrgID, UserID, error) {
	var org OrgID
	var user UserID
	if n, err := fmt.Sscanf(s, "%d:%d", &org, &user); n != 2 || err != nil || org <= 0 || user <= 0 || UserKey(org, user) != s {
		return 0, 0, fmt.Errorf("key %q is not orgId:userId", s)
	}
	return org, user, nil
}
