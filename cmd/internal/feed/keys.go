package feed

import (
	"encoding/json"
	"errors"

	"leaderboard"
	"leaderboard/consumer"
)

// ActivityKey is the key of an activity in any of its documented forms. Only
// what the key needs is checked: the rest is judged by the consumer, which has a
// place for what it refuses.
func ActivityKey(line []byte) (string, error) {
	activity, reason := consumer.DecodeActivity(line, leaderboard.MaxMillis)
	if reason == nil {
		return leaderboard.UserKey(activity.OrgID, activity.UserID), nil
	}
	var user struct {
		OrgID  leaderboard.OrgID  `json:"orgId"`
		UserID leaderboard.UserID `json:"userId"`
	}
	if err := json.Unmarshal(line, &user); err != nil || user.OrgID <= 0 || user.UserID <= 0 {
		return "", reason
	}
	return leaderboard.UserKey(user.OrgID, user.UserID), nil
}

// ProfileKey is the key of a profile, which has to be a valid one.
func ProfileKey(line []byte) (string, error) {
	profile, err := leaderboard.ParseProfile(line)
	if err != nil {
		return "", err
	}
	if profile.Attributes == nil {
		return "", errors.New("attributes is missing")
	}
	return leaderboard.UserKey(profile.OrgID, profile.UserID), nil
}
