package target

import (
	"errors"
	"unicode"
	"unicode/utf8"
)

// Reason is the kind of rule that a URL or an address broke.
type Reason string

// The reasons of a Refusal.
const (
	BadSyntax  Reason = "syntax"  // Not a URL, or one with parts that a webhook may not have.
	BadScheme  Reason = "scheme"  // Not https, nor http to a target that the operator allows.
	BadHost    Reason = "host"    // Not the name of a host in public DNS, nor an allowed one.
	BadPort    Reason = "port"    // Not one of the ports that are allowed there.
	BadAddress Reason = "address" // An address that is not public, nor an allowed one.
)

// Refusal says why a URL or an address may not be used. It never quotes the
// URL's path, nor tells what an address resolved to.
type Refusal struct {
	Reason  Reason
	message string // A clause in lower case, without a full stop.
}

// ErrRefused matches every *Refusal.
var ErrRefused = errors.New("target refused")

func (r *Refusal) Error() string { return r.message }

// Is makes every Refusal match ErrRefused.
func (r *Refusal) Is(target error) bool { return target == ErrRefused }

// Sentence is the refusal as a sentence, to stand beside a form field.
func (r *Refusal) Sentence() string {
	first, size := utf8.DecodeRuneInString(r.message)
	return string(unicode.ToUpper(first)) + r.message[size:] + "."
}

func refuse(reason Reason, message string) *Refusal {
	return &Refusal{Reason: reason, message: message}
}

// errAddress is one message for every address that is refused, so that nobody
// learns the operator's network from differences between messages.
func errAddress() *Refusal {
	return refuse(BadAddress, "this address is not allowed: webhooks go to public addresses, and to what WEBHOOKS_ALLOWED_TARGETS lists")
}
