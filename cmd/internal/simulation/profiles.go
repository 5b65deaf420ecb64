package simulation

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"leaderboard"
)

// FirstUser is the first of the users; the others follow it.
const FirstUser leaderboard.UserID = 381_329_001

// DefaultUsers is how many users there are where nobody says.
const DefaultUsers = 1000

var (
	firstNames = []string{"Aarav", "Diya", "Ishaan", "Kavya", "Meera", "Nikhil", "Priya", "Rohan", "Sana", "Tom"}
	lastNames  = []string{"Bose", "Chopra", "Das", "Iyer", "Khan", "Mehta", "Nair", "Rao", "Sawyer", "Singh"}
)

// Profiles are the profiles of that many users, as JSON lines. Not all that could
// be known is known of everyone.
func Profiles(org leaderboard.OrgID, users int) (string, error) {
	random := rand.New(rand.NewPCG(uint64(org), 0)) //nolint:gosec // made-up people, the same each time
	var lines strings.Builder
	encoder := json.NewEncoder(&lines)
	for i := range users {
		first, last := firstNames[random.IntN(len(firstNames))], lastNames[random.IntN(len(lastNames))]
		attributes := map[string]string{
			"first_name": first,
			"last_name":  last,
			"mobile":     strconv.Itoa(919_800_000_000 + i),
			"email":      fmt.Sprintf("%s.%s.%d@example.com", strings.ToLower(first), strings.ToLower(last), i),
		}
		if random.IntN(2) == 0 {
			attributes["birthday"] = fmt.Sprintf("%d-%02d-%02d", 1960+random.IntN(45), 1+random.IntN(12), 1+random.IntN(28))
		}
		if random.IntN(3) > 0 {
			attributes["gender"] = []string{"Female", "Male"}[random.IntN(2)]
		}
		profile := leaderboard.Profile{OrgID: org, UserID: FirstUser + leaderboard.UserID(i), Attributes: attributes}
		if err := encoder.Encode(profile); err != nil {
			return "", err
		}
	}
	return lines.String(), nil
}
