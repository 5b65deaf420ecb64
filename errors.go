package leaderboard

import (
	"errors"
	"fmt"
)

// ErrTailLost says that Redis holds less than it did: it restarted, failed over
// to a replica that lagged, or was emptied. Nothing was applied; the partition
// is to be read again from where Redis really is.
var ErrTailLost = errors.New("redis has lost the end of what it held")

// ErrCannotGoOn says that going on would be wrong and trying again is in vain:
// somebody has to put something right. The process ends with it.
var ErrCannotGoOn = errors.New("cannot go on")

// Code is an error code of the HTTP API.
type Code int

// The error codes, with the condition each stands for.
const (
	CodeUnauthenticated      Code = 401    // no or wrong credentials
	CodeNotFound             Code = 404    // no such route
	CodeMethodNotAllowed     Code = 405    // the route knows another method
	CodeBodyTooLarge         Code = 413    // the body is over the limit
	CodeUnsupportedMediaType Code = 415    // the body is not JSON
	CodeTooManyRequests      Code = 429    // over the client's rate limit
	CodeInternal             Code = 500    // a defect
	CodeUnavailable          Code = 503    // Redis is away, or holds no boards yet
	CodeAccessDenied         Code = 4000   // credentials fine, access not granted
	CodeNotInHierarchy       Code = 51512  // an organisation named is not in the caller's hierarchy
	CodeInvalidInput         Code = 300004 // any other bad parameter or body
	CodeInvalidUserID        Code = 310011 // userId is not a positive whole number
	CodeGroupNotFound        Code = 310017 // group unknown, out of scope, or inactive
	CodeRuleNotOfGroup       Code = 310079 // rule not of the group
	CodePeriodNotFound       Code = 310118 // period not of the group, or none running
	CodeOrgDisabled          Code = 310133 // an organisation in scope has leaderboards off
	CodeGroupDisabled        Code = 310134 // leaderboard off for the group
	CodeScopeUnsupported     Code = 310141 // unknown data scope, or ALL with too many children
	CodeScopeOrgsInvalid     Code = 310144 // data scope OTHER without a valid list
)

// Error is what a client of the HTTP API is told.
type Error struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

func (e *Error) Error() string { return fmt.Sprintf("%d: %s", e.Code, e.Message) }

// Errorf makes an [Error].
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
