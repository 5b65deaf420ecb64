package query

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"leaderboard"
)

// The values of the header DATA-SCOPE.
const (
	scopeSelf  = "SELF"
	scopeOther = "OTHER"
	scopeAll   = "ALL"
)

// maxConnected is how many organisations a caller may list with OTHER, and how
// many children it may have with ALL.
const maxConnected = 2

// scope is the organisations whose data an answer may hold, all of the catalog
// and with leaderboards enabled.
type scope []*leaderboard.Org

// org is the organisation of that id, nil when it is out of scope.
func (s scope) org(id leaderboard.OrgID) *leaderboard.Org {
	for _, o := range s {
		if o.OrgID == id {
			return o
		}
	}
	return nil
}

// ids are the organisations' ids, in the scope's order.
func (s scope) ids() []leaderboard.OrgID {
	ids := make([]leaderboard.OrgID, len(s))
	for i, o := range s {
		ids[i] = o.OrgID
	}
	return ids
}

// scopeOf is the scope that the call asks for.
func scopeOf(c *call) (scope, error) {
	ids, err := scopedIDs(c.view.catalog, c.client.OrgID, c.Header)
	if err != nil {
		return nil, err
	}
	return enabledOrgs(c.view.catalog, ids)
}

// scopedIDs are the ids of the organisations in the scope that the caller's headers ask for:
//
//   - SELF, the default: the caller's own organisation.
//   - OTHER: those listed in DATA-SCOPE-ORG or DATA-SCOPE-ORGS, at most two, each
//     the caller's own or one of its children.
//   - ALL: the caller's own and its children, of whom there are at most two.
func scopedIDs(catalog *leaderboard.Catalog, own leaderboard.OrgID, header http.Header) ([]leaderboard.OrgID, error) {
	asked := header.Get("DATA-SCOPE")
	switch strings.ToUpper(asked) {
	case "", scopeSelf:
		return []leaderboard.OrgID{own}, nil
	case scopeOther:
		listed, err := listedOrgs(header)
		if err != nil {
			return nil, err
		}
		readable := append(catalog.Children(own), own)
		strangers := slices.DeleteFunc(slices.Clone(listed), func(id leaderboard.OrgID) bool { return slices.Contains(readable, id) })
		return listed, checkHierarchy(strangers)
	case scopeAll:
		if children := catalog.Children(own); len(children) <= maxConnected {
			return append([]leaderboard.OrgID{own}, children...), nil
		}
	}
	return nil, leaderboard.Errorf(leaderboard.CodeScopeUnsupported, "Datascope '%s' is not supported for this 'API'", asked)
}

// listedOrgs reads the organisations that DATA-SCOPE-ORG or DATA-SCOPE-ORGS list.
func listedOrgs(header http.Header) ([]leaderboard.OrgID, error) {
	lists := slices.Concat(header.Values("DATA-SCOPE-ORG"), header.Values("DATA-SCOPE-ORGS"))
	var listed []leaderboard.OrgID
	for text := range strings.SplitSeq(strings.Join(lists, ","), ",") {
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil || n <= 0 {
			return nil, errScopeOrgs()
		}
		if id := leaderboard.OrgID(n); !slices.Contains(listed, id) {
			listed = append(listed, id)
		}
	}
	if len(listed) > maxConnected {
		return nil, errScopeOrgs()
	}
	return listed, nil
}

func errScopeOrgs() error {
	return leaderboard.Errorf(leaderboard.CodeScopeOrgsInvalid, "Connected Orgs not set properly in Headers")
}

// checkHierarchy refuses organisations that the caller may not name.
func checkHierarchy(strangers []leaderboard.OrgID) error {
	if len(strangers) > 0 {
		return leaderboard.Errorf(leaderboard.CodeNotInHierarchy, "The following orgs are not part of the hierarchy: %s", idList(strangers))
	}
	return nil
}

// enabledOrgs looks the organisations up; one that the catalog does not have
// counts as having leaderboards off.
func enabledOrgs(catalog *leaderboard.Catalog, ids []leaderboard.OrgID) (scope, error) {
	var found scope
	var off []leaderboard.OrgID
	for _, id := range ids {
		if o := catalog.Org(id); o != nil && o.LeaderboardsEnabled {
			found = append(found, o)
		} else {
			off = append(off, id)
		}
	}
	if len(off) > 0 {
		return nil, leaderboard.Errorf(leaderboard.CodeOrgDisabled, "Leaderboards are not enabled for the following orgs: %s", idList(off))
	}
	return found, nil
}

// idList writes ids as the messages have them: [1, 2].
func idList(ids []leaderboard.OrgID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatInt(int64(id), 10)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}
