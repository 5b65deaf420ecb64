package leaderboard

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Org is an organisation. ParentOrgID is 0 for one without a parent.
type Org struct {
	OrgID               OrgID    `json:"orgId"`
	Name                string   `json:"name"`
	TimeZone            string   `json:"timeZone"`
	LeaderboardsEnabled bool     `json:"leaderboardsEnabled"`
	ParentOrgID         OrgID    `json:"parentOrgId,omitempty"`
	Enrichment          []string `json:"enrichment,omitempty"`

	location *time.Location
}

// TargetGroup holds targets that share their periods.
type TargetGroup struct {
	TargetGroupID      TargetGroupID `json:"targetGroupId"`
	OrgID              OrgID         `json:"orgId"`
	Name               string        `json:"name"`
	Active             bool          `json:"active"`
	LeaderboardEnabled bool          `json:"leaderboardEnabled"`
	Periods            []Period      `json:"periods"`
	Targets            []Target      `json:"targets"`
}

// Period is a span of time, from Start up to but not including End.
type Period struct {
	PeriodID PeriodID  `json:"periodId"`
	RefCode  string    `json:"refCode"`
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
}

// Target is a target rule.
type Target struct {
	TargetRuleID TargetRuleID `json:"targetRuleId"`
	Name         string       `json:"name"`
	Aggregate    Aggregate    `json:"aggregate"`
	Order        Order        `json:"order"`
}

// UnmarshalJSON reads an organisation; leaderboardsEnabled is true by default.
func (o *Org) UnmarshalJSON(data []byte) error {
	type plain Org
	p := plain{LeaderboardsEnabled: true}
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	*o = Org(p)
	return nil
}

// UnmarshalJSON reads a target group; active and leaderboardEnabled are true by default.
func (g *TargetGroup) UnmarshalJSON(data []byte) error {
	type plain TargetGroup
	p := plain{Active: true, LeaderboardEnabled: true}
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	*g = TargetGroup(p)
	return nil
}

// UnmarshalJSON reads a target; aggregate is sum and order desc by default.
func (t *Target) UnmarshalJSON(data []byte) error {
	type plain Target
	p := plain{Aggregate: Sum, Order: Descending}
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	*t = Target(p)
	return nil
}

// Location is the organisation's time zone.
func (o *Org) Location() *time.Location {
	if o.location == nil {
		return time.UTC
	}
	return o.location
}

// Target is the group's target of that id, nil when it has none.
func (g *TargetGroup) Target(id TargetRuleID) *Target {
	for i := range g.Targets {
		if g.Targets[i].TargetRuleID == id {
			return &g.Targets[i]
		}
	}
	return nil
}

// Period is the group's period of that id, nil when it has none.
func (g *TargetGroup) Period(id PeriodID) *Period {
	for i := range g.Periods {
		if g.Periods[i].PeriodID == id {
			return &g.Periods[i]
		}
	}
	return nil
}

// PeriodAt is the group's period that contains the instant, nil when none does.
func (g *TargetGroup) PeriodAt(m Millis) *Period {
	for i := range g.Periods {
		p := &g.Periods[i]
		if MillisOf(p.Start) <= m && m < MillisOf(p.End) {
			return p
		}
	}
	return nil
}

// Rule is what a target's board of a period goes by.
func (t *Target) Rule(p *Period) Rule {
	return Rule{Aggregate: t.Aggregate, Order: t.Order, Start: MillisOf(p.Start), End: MillisOf(p.End)}
}

// Key is the organisation's key in the catalog topic: org:50711.
func (o *Org) Key() string { return fmt.Sprintf("org:%d", o.OrgID) }

// Key is the group's key in the catalog topic: group:50711:232.
func (g *TargetGroup) Key() string { return fmt.Sprintf("group:%d:%d", g.OrgID, g.TargetGroupID) }

// check names everything that is wrong with the organisation by itself.
func (o *Org) check() error {
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("org %d: "+format, append([]any{o.OrgID}, args...)...))
	}
	if o.OrgID <= 0 {
		problem("orgId is missing or not positive")
	}
	if o.ParentOrgID < 0 || (o.ParentOrgID != 0 && o.ParentOrgID == o.OrgID) {
		problem("parentOrgId %d is not another organisation", o.ParentOrgID)
	}
	location, err := time.LoadLocation(o.TimeZone)
	if err != nil || o.TimeZone == "" || o.TimeZone == "Local" {
		problem("timeZone %q is not an IANA time zone such as Asia/Kolkata", o.TimeZone)
	}
	o.location = location
	for i, field := range o.Enrichment {
		if field == "" || slices.Contains(o.Enrichment[:i], field) || slices.Contains(StandardAttributes, field) {
			problem("enrichment %q is empty, named twice, or one of the standard fields", field)
		}
	}
	return errors.Join(problems...)
}

// StandardAttributes are the fields of a profile that every organisation has.
var StandardAttributes = []string{"mobile", "last_name", "first_name", "email"}

// check names everything that is wrong with the group by itself.
func (g *TargetGroup) check() error {
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("target group %d: "+format, append([]any{g.TargetGroupID}, args...)...))
	}
	if g.TargetGroupID <= 0 {
		problem("targetGroupId is missing or not positive")
	}
	if g.OrgID <= 0 {
		problem("orgId is missing or not positive")
	}
	rules := map[TargetRuleID]bool{}
	for _, t := range g.Targets {
		if t.TargetRuleID <= 0 || rules[t.TargetRuleID] {
			problem("targetRuleId %d is missing, not positive, or there twice", t.TargetRuleID)
		}
		rules[t.TargetRuleID] = true
		if !slices.Contains([]Aggregate{Sum, Max, Min, Latest}, t.Aggregate) {
			problem("target %d: aggregate %q is not one of sum, max, min, latest", t.TargetRuleID, t.Aggregate)
		}
		if t.Order != Ascending && t.Order != Descending {
			problem("target %d: order %q is not one of desc, asc", t.TargetRuleID, t.Order)
		}
	}
	periods := map[PeriodID]bool{}
	for _, p := range g.Periods {
		if p.PeriodID <= 0 || periods[p.PeriodID] {
			problem("periodId %d is missing, not positive, or there twice", p.PeriodID)
		}
		periods[p.PeriodID] = true
		if !p.Start.Before(p.End) {
			problem("period %d: start %s is not before end %s", p.PeriodID, p.Start.Format(time.RFC3339), p.End.Format(time.RFC3339))
		}
	}
	byStart := slices.SortedFunc(slices.Values(g.Periods), func(a, b Period) int { return a.Start.Compare(b.Start) })
	for i := 1; i < len(byStart); i++ {
		if a, b := byStart[i-1], byStart[i]; b.Start.Before(a.End) {
			problem("periods %d and %d overlap", a.PeriodID, b.PeriodID)
		}
	}
	return errors.Join(problems...)
}

// CatalogDocument is the whole catalog as one document, the form of the catalog file.
type CatalogDocument struct {
	Orgs         []Org         `json:"orgs"`
	TargetGroups []TargetGroup `json:"targetGroups"`
}

// Validate names everything that is wrong with the catalog, by itself and
// between its parts, all at once.
func (d *CatalogDocument) Validate() error {
	var problems []error
	orgs := map[OrgID]*Org{}
	for i := range d.Orgs {
		o := &d.Orgs[i]
		problems = append(problems, o.check())
		if orgs[o.OrgID] != nil {
			problems = append(problems, fmt.Errorf("org %d: is there twice", o.OrgID))
		}
		orgs[o.OrgID] = o
	}
	for i := range d.Orgs {
		o := &d.Orgs[i]
		if o.ParentOrgID > 0 && orgs[o.ParentOrgID] == nil {
			problems = append(problems, fmt.Errorf("org %d: parentOrgId %d is not an organisation of the catalog", o.OrgID, o.ParentOrgID))
		}
		if inCycle(orgs, o) {
			problems = append(problems, fmt.Errorf("org %d: is its own ancestor", o.OrgID))
		}
	}
	owners := map[TargetGroupID]OrgID{}
	for i := range d.TargetGroups {
		g := &d.TargetGroups[i]
		problems = append(problems, g.check())
		if g.OrgID > 0 && orgs[g.OrgID] == nil {
			problems = append(problems, fmt.Errorf("target group %d: orgId %d is not an organisation of the catalog", g.TargetGroupID, g.OrgID))
		}
		switch owner, taken := owners[g.TargetGroupID]; {
		case taken && owner == g.OrgID:
			problems = append(problems, fmt.Errorf("target group %d: is there twice", g.TargetGroupID))
		case taken:
			problems = append(problems, fmt.Errorf("target group %d: is of org %d and of org %d", g.TargetGroupID, owner, g.OrgID))
		}
		owners[g.TargetGroupID] = g.OrgID
	}
	return errors.Join(problems...)
}

func inCycle(orgs map[OrgID]*Org, o *Org) bool {
	if o.ParentOrgID == o.OrgID {
		return false // named by check already
	}
	next := orgs[o.ParentOrgID]
	for range orgs {
		if next == nil {
			return false
		}
		if next == o {
			return true
		}
		next = orgs[next.ParentOrgID]
	}
	return false
}

// Catalog is what the catalog topic says: the latest valid record of each key.
// A Catalog that is shared is not changed any more; see [Catalog.Clone].
type Catalog struct {
	orgs   map[OrgID]*Org
	groups map[TargetGroupID]map[OrgID]*TargetGroup
}

// NewCatalog makes an empty catalog.
func NewCatalog() *Catalog {
	return &Catalog{orgs: map[OrgID]*Org{}, groups: map[TargetGroupID]map[OrgID]*TargetGroup{}}
}

// Clone makes an independent copy.
func (c *Catalog) Clone() *Catalog {
	groups := make(map[TargetGroupID]map[OrgID]*TargetGroup, len(c.groups))
	for id, owners := range c.groups {
		groups[id] = maps.Clone(owners)
	}
	return &Catalog{orgs: maps.Clone(c.orgs), groups: groups}
}

// Set applies one record of the catalog topic; a nil value removes the key. An
// invalid record is refused with everything that is wrong with it, and what the
// catalog held for its key stays.
func (c *Catalog) Set(key string, value []byte) error {
	kind, ids, _ := strings.Cut(key, ":")
	switch kind {
	case "org":
		o := new(Org)
		if value == nil {
			if _, err := fmt.Sscanf(ids, "%d", &o.OrgID); err != nil {
				return fmt.Errorf("catalog key %q is not org:<orgId>", key)
			}
			delete(c.orgs, o.OrgID)
			return nil
		}
		if err := json.Unmarshal(value, o); err != nil {
			return fmt.Errorf("catalog record %q: %w", key, err)
		}
		if o.Key() != key {
			return fmt.Errorf("catalog record %q holds %q", key, o.Key())
		}
		if err := o.check(); err != nil {
			return err
		}
		c.orgs[o.OrgID] = o
	case "group":
		g := new(TargetGroup)
		if value == nil {
			if _, err := fmt.Sscanf(ids, "%d:%d", &g.OrgID, &g.TargetGroupID); err != nil {
				return fmt.Errorf("catalog key %q is not group:<orgId>:<targetGroupId>", key)
			}
			delete(c.groups[g.TargetGroupID], g.OrgID)
			return nil
		}
		if err := json.Unmarshal(value, g); err != nil {
			return fmt.Errorf("catalog record %q: %w", key, err)
		}
		if g.Key() != key {
			return fmt.Errorf("catalog record %q holds %q", key, g.Key())
		}
		if err := g.check(); err != nil {
			return err
		}
		if c.groups[g.TargetGroupID] == nil {
			c.groups[g.TargetGroupID] = map[OrgID]*TargetGroup{}
		}
		c.groups[g.TargetGroupID][g.OrgID] = g
	default:
		return fmt.Errorf("catalog key %q is neither org:<orgId> nor group:<orgId>:<targetGroupId>", key)
	}
	return nil
}

// Org is the organisation of that id, nil when the catalog has none.
func (c *Catalog) Org(id OrgID) *Org { return c.orgs[id] }

// Group is the target group of that id, nil when the catalog has none. Should
// two organisations claim the id, the one with the smaller id has it, in
// whatever order their records came.
func (c *Catalog) Group(id TargetGroupID) *TargetGroup {
	var found *TargetGroup
	for _, g := range c.groups[id] {
		if found == nil || g.OrgID < found.OrgID {
			found = g
		}
	}
	return found
}

// Outdated says why a board that was folded by a rule, while a number of its
// activities were passed over, differs from what its log gives under the catalog
// as it stands; empty when it does not. A board that the catalog has off, or does
// not have, is nobody's concern.
func (c *Catalog) Outdated(b Board, folded Rule, passedOver int64) string {
	group, org := c.Group(b.Group), c.Org(b.Org)
	if group == nil || org == nil || group.OrgID != b.Org || !group.Active || !group.LeaderboardEnabled || !org.LeaderboardsEnabled {
		return ""
	}
	target, period := group.Target(b.Rule), group.Period(b.Period)
	switch {
	case target == nil || period == nil:
		return ""
	case folded != Rule{} && folded != target.Rule(period):
		return fmt.Sprintf("folded by the rule %q, which is %q now", folded, target.Rule(period))
	case passedOver > 0:
		return fmt.Sprintf("%d activities were passed over while it was off", passedOver)
	}
	return ""
}

// Children are the organisations whose parent is id, by rising id.
func (c *Catalog) Children(id OrgID) []OrgID {
	var children []OrgID
	for _, o := range c.orgs {
		if o.ParentOrgID == id {
			children = append(children, o.OrgID)
		}
	}
	slices.Sort(children)
	return children
}

// Document is the whole catalog, organisations and groups by rising id.
func (c *Catalog) Document() CatalogDocument {
	d := CatalogDocument{Orgs: []Org{}, TargetGroups: []TargetGroup{}}
	for _, o := range c.orgs {
		d.Orgs = append(d.Orgs, *o)
	}
	for id := range c.groups {
		if g := c.Group(id); g != nil {
			d.TargetGroups = append(d.TargetGroups, *g)
		}
	}
	slices.SortFunc(d.Orgs, func(a, b Org) int { return cmp.Compare(a.OrgID, b.OrgID) })
	slices.SortFunc(d.TargetGroups, func(a, b TargetGroup) int { return cmp.Compare(a.TargetGroupID, b.TargetGroupID) })
	return d
}
