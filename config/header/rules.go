package header

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"plausible-webhooks/config/secret"

	"golang.org/x/net/http/httpguts"
)

// The bounds of a webhook's headers (deploy/REFERENCE.md section 3). Common
// servers take 8 KiB of headers in all or 4 KiB in one line, if not less.
const (
	MaxCount      = 20
	MaxValueBytes = 4 << 10
	MaxTotalBytes = 8 << 10 // Names and values together.
)

// Header is one header of a webhook. Its name is compared without case.
type Header struct {
	Name  string
	Value secret.Text
}

// Part is what a Mistake is about.
type Part string

// The parts of a header.
const (
	Name  Part = "name"
	Value Part = "value"
)

// Mistake is one rule that headers break.
type Mistake struct {
	Index int  // Of the header; -1: all of them together.
	Part  Part // Empty where Index is -1.

	text string
}

// Error is a clause in lower case that names the header, if that is possible,
// and never holds any of its value.
func (m *Mistake) Error() string { return m.text }

// Check returns every rule that headers break, in their order.
func Check(headers []Header) []*Mistake {
	var found []*Mistake
	seen := make(map[string]bool)
	total := 0
	for i, h := range headers {
		total += len(h.Name) + len(h.Value.Reveal())
		text := checkName(h.Name)
		if folded := strings.ToLower(h.Name); text == "" && seen[folded] {
			text = fmt.Sprintf("header %s is given twice; names that differ in case are the same", h.Name)
		} else {
			seen[folded] = true
		}
		if text != "" {
			found = append(found, &Mistake{i, Name, text})
			continue // Whatever stands beside such a name, there is nothing to say of it.
		}
		if text := checkValue(h.Value.Reveal()); text != "" {
			found = append(found, &Mistake{i, Value, fmt.Sprintf("the value of header %s %s", h.Name, text)})
		}
	}
	if len(headers) > MaxCount {
		found = append(found, &Mistake{Index: -1, text: fmt.Sprintf("%d headers are more than the %d that one webhook may have", len(headers), MaxCount)})
	}
	if total > MaxTotalBytes {
		found = append(found, &Mistake{Index: -1, text: fmt.Sprintf("the headers have %d bytes in all, names included; want at most %d", total, MaxTotalBytes)})
	}
	return found
}

func checkName(name string) string {
	if !httpguts.ValidHeaderFieldName(name) {
		return "the name of a header is not valid: it has letters, digits and hyphens, as X-Api-Key has"
	}
	if why := refusal(name); why != "" {
		return fmt.Sprintf("header %s is not allowed: %s", name, why)
	}
	return ""
}

func checkValue(value string) string {
	switch {
	case value == "":
		return "is empty"
	case secret.Sealed(value):
		return `begins with "enc1:", which marks encrypted values`
	case len(value) > MaxValueBytes:
		return fmt.Sprintf("has %d bytes, want at most %d", len(value), MaxValueBytes)
	case !utf8.ValidString(value):
		return "is not valid UTF-8" // PostgreSQL could not store it.
	case !httpguts.ValidHeaderFieldValue(value):
		return "holds a line break or another control character"
	case value != strings.Trim(value, " \t"):
		return "begins or ends with a blank" // Receivers cut it off (RFC 9110, section 5.5).
	}
	return ""
}
