package projector

import "time"

const (
	// exchangeTime is how long one exchange with Redis is to take when there is much
	// to write. A transaction is the greater part of it, and holds up all readers.
	exchangeTime = 7 * time.Millisecond
	// Cuts weigh between minCutWeight and maxCutWeight when there is enough to write,
	// firstCutWeight as long as nothing is known. Entries that are written often cost
	// Redis less, and large cuts merge more of them.
	minCutWeight   = 200
	firstCutWeight = 400
	maxCutWeight   = 3000
	// paceWeight is the weight from which on an exchange tells something.
	paceWeight = 100
	// paceShare is how much one exchange counts against those before it.
	paceShare = 0.2
)

// pace learns how much one transaction may write. The zero pace knows nothing.
type pace struct {
	// each is how long one entry takes in Redis.
	each time.Duration
}

// cutWeight is how much a cut may weigh.
func (p *pace) cutWeight() int {
	if p.each == 0 {
		return firstCutWeight
	}
	return max(minCutWeight, min(maxCutWeight, int(exchangeTime/p.each)))
}

// learn takes note of an exchange that has written a cut while so many writers had one
// under way: Redis serves them by turns.
func (p *pace) learn(weight int, took time.Duration, writers int64) {
	if weight < paceWeight {
		return
	}
	each := max(1, took/time.Duration(weight)/time.Duration(max(1, writers)))
	if p.each == 0 {
		p.each = each
	}
	p.each += time.Duration(paceShare * float64(each-p.each))
}
