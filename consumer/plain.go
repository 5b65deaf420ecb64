package consumer

import "bytes"

// plain reads JSON whose strings are ASCII without escapes, as nearly all that is
// published, and several times as fast as a decoder that is ready for everything.
// A method that gives false says nothing of the text, which may be JSON or not.
type plain struct {
	text []byte
	at   int
}

// plainDepth bounds how deep values may lie in each other.
const plainDepth = 16

// eachPlainMember visits the members of an object that is the whole text, as
// eachMember does. When it gives false, some may have been visited.
func eachPlainMember(text []byte, visit func(name, raw []byte)) bool {
	p := plain{text: text}
	p.space()
	if !p.object(plainDepth, visit) {
		return false
	}
	p.space()
	return p.at == len(text)
}

func (p *plain) object(depth int, visit func(name, raw []byte)) bool {
	if !p.next('{') {
		return false
	}
	p.space()
	if p.next('}') {
		return true
	}
	for {
		p.space()
		start := p.at
		if !p.string() {
			return false
		}
		name := p.text[start+1 : p.at-1]
		p.space()
		if !p.next(':') {
			return false
		}
		p.space()
		start = p.at
		if !p.value(depth) {
			return false
		}
		visit(trimmed(name), p.text[start:p.at])
		p.space()
		if !p.next(',') {
			return p.next('}')
		}
	}
}

// trimmed is the name without the spaces around it, which hardly any has.
func trimmed(name []byte) []byte {
	if len(name) > 0 && (name[0] == ' ' || name[len(name)-1] == ' ') {
		return bytes.TrimSpace(name)
	}
	return name
}

func (p *plain) array(depth int) bool {
	if !p.next('[') {
		return false
	}
	p.space()
	if p.next(']') {
		return true
	}
	for {
		p.space()
		if !p.value(depth) {
			return false
		}
		p.space()
		if !p.next(',') {
			return p.next(']')
		}
	}
}

func (p *plain) value(depth int) bool {
	switch p.peek() {
	case '"':
		return p.string()
	case '{':
		return depth > 0 && p.object(depth-1, func(_, _ []byte) {})
	case '[':
		return depth > 0 && p.array(depth-1)
	case 't':
		return p.literal("true")
	case 'f':
		return p.literal("false")
	case 'n':
		return p.literal("null")
	default:
		return p.number()
	}
}

func (p *plain) string() bool {
	if !p.next('"') {
		return false
	}
	for i, c := range p.text[p.at:] {
		switch {
		case c == '"':
			p.at += i + 1
			return true
		case c < ' ' || c > '~' || c == '\\':
			return false
		}
	}
	return false
}

func (p *plain) number() bool {
	p.next('-')
	if !p.next('0') && !p.digits() {
		return false
	}
	if p.next('.') && !p.digits() {
		return false
	}
	if p.next('e') || p.next('E') {
		if !p.next('+') {
			p.next('-')
		}
		return p.digits()
	}
	return true
}

func (p *plain) digits() bool {
	n := 0
	for _, c := range p.text[p.at:] {
		if c < '0' || c > '9' {
			break
		}
		n++
	}
	p.at += n
	return n > 0
}

func (p *plain) literal(word string) bool {
	if len(p.text)-p.at < len(word) || string(p.text[p.at:p.at+len(word)]) != word {
		return false
	}
	p.at += len(word)
	return true
}

// space steps over what may stand between tokens.
func (p *plain) space() {
	for c := p.peek(); c == ' ' || c == '\n' || c == '\t' || c == '\r'; c = p.peek() {
		p.at++
	}
}

// next steps over a byte if it is the one.
func (p *plain) next(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.at++
	return true
}

// peek is the byte to come, 0 at the end: no byte of plain text is.
func (p *plain) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}
