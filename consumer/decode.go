package consumer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"leaderboard"
)

// Reason says why a record went to the dead letters.
type Reason string

// The reasons: the closed set of the header dl.reason.
const (
	ReasonNotJSON         Reason = "not_json"
	ReasonMissingField    Reason = "missing_field"
	ReasonInvalidField    Reason = "invalid_field"
	ReasonValueOutOfRange Reason = "value_out_of_range"
	ReasonTimeOutOfRange  Reason = "time_out_of_range"
	ReasonUnknownGroup    Reason = "unknown_group"
	ReasonUnknownRule     Reason = "unknown_rule"
	ReasonUnknownPeriod   Reason = "unknown_period"
	ReasonNoPeriod        Reason = "no_period_for_time"
)

// Reasons are all of them.
var Reasons = []Reason{
	ReasonNotJSON, ReasonMissingField, ReasonInvalidField, ReasonValueOutOfRange, ReasonTimeOutOfRange,
	ReasonUnknownGroup, ReasonUnknownRule, ReasonUnknownPeriod, ReasonNoPeriod,
}

// Rejection is the error of a record that goes to the dead letters. Detail names
// the field and what is wrong with it, and repeats no text of the record.
type Rejection struct {
	Reason Reason
	Detail string
}

func (r *Rejection) Error() string { return string(r.Reason) + ": " + r.Detail }

func reject(reason Reason, format string, args ...any) *Rejection {
	return &Rejection{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// maxAhead is how far an activity's time may lie after its publishing. The
// measure is the log's own time, not the clock, so that the verdict is the same
// whenever the log is read.
const maxAhead = leaderboard.Millis(24 * time.Hour / time.Millisecond)

// notificationName is the event of the documented notification.
const notificationName = "targetAchievedValueUpdated"

// DecodeActivity reads a record of the activities topic: a native activity or
// the notification targetAchievedValueUpdated, wrapped or flat. Published is the
// record's Kafka timestamp. The error is a *[Rejection].
func DecodeActivity(value []byte, published leaderboard.Millis) (leaderboard.Activity, error) {
	var f fields
	if err := f.read(value); err != nil {
		return leaderboard.Activity{}, err
	}
	p := parser{published: published}
	if published <= 0 {
		p.fail(ReasonInvalidField, "the record has no Kafka timestamp")
	}
	a := leaderboard.Activity{Type: leaderboard.TypeActivity, EventID: string(p.text(&f.eventID))}
	if f.notification {
		a.Type = leaderboard.TypeTotal
	} else if t := p.text(&f.kind); len(t) > 0 {
		a.Type = activityType(t)
	}
	a.OrgID = leaderboard.OrgID(p.id(&f.orgID, true))
	a.UserID = leaderboard.UserID(p.id(&f.userID, true))
	if a.Type == leaderboard.TypeErase {
		a.Time = published
		return a, p.err()
	}
	a.GroupID = leaderboard.TargetGroupID(p.id(&f.groupID, true))
	a.RuleID = leaderboard.TargetRuleID(p.id(&f.ruleID, true))
	a.Period = leaderboard.PeriodID(p.id(&f.periodID, false))
	switch a.Type {
	case leaderboard.TypeActivity:
		a.Value = 1000
		if f.value.given() {
			a.Value = p.value(&f.value)
		}
	case leaderboard.TypeTotal:
		a.Value = p.value(&f.value)
	case leaderboard.TypeEnrol, leaderboard.TypeWithdraw:
	default:
		p.fail(ReasonInvalidField, "%s is none of activity, total, enrol, withdraw, erase", f.kind.name)
	}
	a.Time = p.time(&f.time)
	return a, p.err()
}

// activityType is the type of that name, whether there is one or not.
func activityType(name []byte) leaderboard.ActivityType {
	for _, known := range []leaderboard.ActivityType{
		leaderboard.TypeActivity, leaderboard.TypeTotal, leaderboard.TypeEnrol, leaderboard.TypeWithdraw, leaderboard.TypeErase,
	} {
		if string(name) == string(known) {
			return known // without a copy of the name
		}
	}
	return leaderboard.ActivityType(name)
}

// field is one member of the record: its name as the documentation spells it and
// its raw JSON, which is valid, nil for none.
type field struct {
	name string
	raw  []byte
}

func (f *field) given() bool { return len(f.raw) > 0 && f.raw[0] != 'n' } // null

// fields are the members that matter, of either form.
type fields struct {
	notification                                                         bool
	eventID, kind, orgID, userID, groupID, ruleID, periodID, value, time field
}

func (f *fields) read(record []byte) error {
	*f = fields{
		eventID:  field{name: "eventId"},
		kind:     field{name: "type"},
		orgID:    field{name: "orgId"},
		userID:   field{name: "userId"},
		groupID:  field{name: "targetGroupId"},
		ruleID:   field{name: "targetRuleId"},
		periodID: field{name: "periodId"},
		value:    field{name: "value"},
		time:     field{name: "activityTime"},
	}
	var eventName, createdAt, data, attributes []byte
	err := eachMember(record, func(name, raw []byte) {
		switch string(name) {
		case "eventId":
			f.eventID.raw = raw
		case "type":
			f.kind.raw = raw
		case "orgId":
			f.orgID.raw = raw
		case "userId":
			f.userID.raw = raw
		case "targetGroupId":
			f.groupID.raw = raw
		case "targetRuleId":
			f.ruleID.raw = raw
		case "periodId":
			f.periodID.raw = raw
		case "value":
			f.value.raw = raw
		case "activityTime":
			f.time.raw = raw
		case "eventName":
			eventName = raw
		case "createdAt":
			createdAt = raw
		case "data":
			data = raw
		case "attributes":
			attributes = raw
		}
	})
	if err != nil {
		return err
	}
	if f.groupID.raw != nil || (data == nil && attributes == nil && eventName == nil) {
		return nil
	}
	return f.readNotification(eventName, createdAt, data, attributes)
}

// readNotification reads the notification's own names for the fields. In the
// wrapped form all but eventId stand in attributes.
func (f *fields) readNotification(eventName, createdAt, data, attributes []byte) error {
	f.notification = true
	if isObject(attributes) {
		err := eachMember(attributes, func(name, raw []byte) {
			switch string(name) {
			case "eventName":
				eventName = raw
			case "createdAt":
				createdAt = raw
			case "data":
				data = raw
			case "orgId":
				f.orgID.raw = raw
			case "eventId":
				if f.eventID.raw == nil {
					f.eventID.raw = raw
				}
			}
		})
		if err != nil {
			return err
		}
	}
	if eventName != nil && string(eventName) != strconv.Quote(notificationName) {
		return reject(ReasonInvalidField, "eventName is not %s", notificationName)
	}
	f.userID = field{name: "data.customerIdentifiers.customerId"}
	f.groupID = field{name: "data.targetDetails.targetGroupId"}
	f.ruleID = field{name: "data.targetDetails.id"}
	f.periodID = field{name: "data.targetDetails.targetPeriodId"}
	f.value = field{name: "data.achievedTargetValue"}
	f.time = field{name: "createdAt", raw: createdAt}
	if !isObject(data) {
		return reject(ReasonMissingField, "data is missing or not an object")
	}
	var customer, target []byte
	err := eachMember(data, func(name, raw []byte) {
		switch string(name) {
		case "customerIdentifiers":
			customer = raw
		case "targetDetails":
			target = raw
		case "achievedTargetValue":
			f.value.raw = raw
		}
	})
	if err == nil && isObject(customer) {
		err = eachMember(customer, func(name, raw []byte) {
			if string(name) == "customerId" {
				f.userID.raw = raw
			}
		})
	}
	if err == nil && isObject(target) {
		err = eachMember(target, func(name, raw []byte) {
			switch string(name) {
			case "id":
				f.ruleID.raw = raw
			case "targetGroupId":
				f.groupID.raw = raw
			case "targetPeriodId":
				f.periodID.raw = raw
			}
		})
	}
	return err
}

func isObject(raw []byte) bool { return len(raw) > 0 && raw[0] == '{' }

// eachMember visits the members of a JSON object, names without the spaces
// around them. The slices are parts of object, or copies where a name is escaped.
// Members may be visited once more, from the first on.
func eachMember(object []byte, visit func(name, raw []byte)) error {
	if eachPlainMember(object, visit) {
		return nil
	}
	return eachAnyMember(object, visit)
}

// eachAnyMember is what decides what is JSON, and where it is not.
func eachAnyMember(object []byte, visit func(name, raw []byte)) error {
	d := jsontext.NewDecoder(bytes.NewBuffer(object), jsontext.AllowDuplicateNames(true))
	start, err := d.ReadToken()
	if err != nil {
		return notJSON(err)
	}
	if start.Kind() != '{' {
		return reject(ReasonNotJSON, "the record is not a JSON object")
	}
	// What the decoder returns it may reuse; the record itself stays.
	read := func() ([]byte, error) {
		raw, err := d.ReadValue()
		end := d.InputOffset()
		return object[end-int64(len(raw)) : end], err
	}
	for d.PeekKind() != '}' {
		name, err := read()
		if err != nil {
			return notJSON(err)
		}
		if name, err = unquote(name); err != nil {
			return notJSON(err)
		}
		raw, err := read()
		if err != nil {
			return notJSON(err)
		}
		visit(bytes.TrimSpace(name), raw)
	}
	if _, err := d.ReadToken(); err != nil {
		return notJSON(err)
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return reject(ReasonNotJSON, "the record has something after its JSON object")
	}
	return nil
}

// unquote gives the text of a valid JSON string: a part of raw, or a copy where
// something is escaped.
func unquote(raw []byte) ([]byte, error) {
	if raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], nil
	}
	return jsontext.AppendUnquote(nil, raw)
}

// notJSON names the place of a syntax error and nothing of the text around it.
func notJSON(err error) *Rejection {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return reject(ReasonNotJSON, "the record is not JSON in UTF-8: syntax error at byte %d", syntax.ByteOffset)
	}
	return reject(ReasonNotJSON, "the record is not JSON in UTF-8: it ends too early")
}

// parser turns raw fields into values and keeps the first failure.
type parser struct {
	published leaderboard.Millis
	failure   *Rejection
}

func (p *parser) fail(reason Reason, format string, args ...any) {
	if p.failure == nil {
		p.failure = reject(reason, format, args...)
	}
}

func (p *parser) err() error {
	if p.failure == nil {
		return nil
	}
	return p.failure
}

func (p *parser) id(f *field, required bool) int64 {
	if !f.given() {
		if required {
			p.fail(ReasonMissingField, "%s is missing", f.name)
		}
		return 0
	}
	id := positive(f.raw)
	if id <= 0 {
		p.fail(ReasonInvalidField, "%s is not a positive whole number", f.name)
	}
	return id
}

// positive is the number that digits make, 0 when there are none, too many, or
// something else.
func positive(digits []byte) int64 {
	n := int64(0)
	for _, c := range digits {
		d := int64(c) - '0'
		if d < 0 || d > 9 || n > math.MaxInt64/10 {
			return 0
		}
		if n = 10*n + d; n < 0 {
			return 0
		}
	}
	return n
}

func (p *parser) text(f *field) []byte {
	if !f.given() {
		return nil
	}
	text, err := unquote(f.raw)
	if err != nil {
		p.fail(ReasonInvalidField, "%s is not a string", f.name)
	}
	return text
}

func (p *parser) value(f *field) leaderboard.Value {
	if !f.given() {
		p.fail(ReasonMissingField, "%s is missing", f.name)
		return 0
	}
	text := f.raw
	if text[0] == '"' {
		text = p.text(f)
	}
	v, err := leaderboard.ParseValue(string(text))
	switch {
	case errors.Is(err, leaderboard.ErrValueRange):
		p.fail(ReasonValueOutOfRange, "%s is %v", f.name, err)
	case err != nil:
		p.fail(ReasonInvalidField, "%s is not a decimal number", f.name)
	}
	return v
}

func (p *parser) time(f *field) leaderboard.Millis {
	if !f.given() {
		p.fail(ReasonMissingField, "%s is missing", f.name)
		return 0
	}
	var m leaderboard.Millis
	if f.raw[0] == '"' {
		t, err := time.Parse(time.RFC3339, string(p.text(f)))
		if err != nil {
			p.fail(ReasonInvalidField, "%s is neither RFC 3339 nor milliseconds since 1970", f.name)
			return 0
		}
		m = leaderboard.MillisOf(t)
	} else {
		n, err := strconv.ParseInt(string(f.raw), 10, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			p.fail(ReasonInvalidField, "%s is neither RFC 3339 nor milliseconds since 1970", f.name)
			return 0
		}
		m = leaderboard.Millis(n)
	}
	switch {
	case m < 0:
		p.fail(ReasonTimeOutOfRange, "%s is before 1970", f.name)
	case m > min(p.published, leaderboard.MaxMillis-maxAhead)+maxAhead:
		p.fail(ReasonTimeOutOfRange, "%s is more than 24 hours after the record was published", f.name)
	}
	return m
}
