package target

import (
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

const (
	maxName  = 253 // RFC 1035, without the final dot.
	maxLabel = 63
)

// refusedSuffixes are names that public DNS does not answer (RFC 6761, 6762,
// 8375 and ICANN's reservation of internal).
var refusedSuffixes = []string{"localhost", "local", "localdomain", "internal", "home.arpa"}

// localSuffixes are names that private networks use besides; outside one they
// do not resolve, which the first attempt tells, so that they are not refused.
var localSuffixes = []string{"test", "lan", "home", "corp", "intranet", "private"}

// refusedName reports whether only the operator can allow a name.
func refusedName(host string) bool {
	return !strings.Contains(host, ".") || slices.ContainsFunc(refusedSuffixes, func(suffix string) bool {
		return strings.HasSuffix(host, "."+suffix)
	})
}

// isLocal reports whether a name looks like one of a private network.
func isLocal(host string) bool {
	return refusedName(host) || slices.ContainsFunc(localSuffixes, func(suffix string) bool {
		return strings.HasSuffix(host, "."+suffix)
	})
}

func errName(message string) *Refusal { return refuse(BadHost, message) }

// normaliseName returns a host name in lower case and ASCII, without a final
// dot. Underscores pass, since container names have them; a name that ends in
// a number does not, since resolvers read it as an address (127.1, 0x7f.1).
func normaliseName(raw string) (string, *Refusal) {
	host := strings.ToLower(raw)
	if !isASCII(host) || hasPunycode(host) {
		ascii, err := idna.Lookup.ToASCII(host)
		if err != nil {
			return "", errName("the host name is not a valid internationalised name")
		}
		host = ascii
	}
	host = strings.TrimSuffix(host, ".")
	if host == "" {
		return "", errName("the URL has no host")
	}
	if len(host) > maxName {
		return "", errName("the host name is longer than 253 characters")
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if !validLabel(label) {
			return "", errName("the host name is not valid: its labels have 1 to 63 letters, digits, hyphens and underscores")
		}
	}
	if isNumber(labels[len(labels)-1]) {
		return "", errName("the host looks like an address but is not written as one: use four decimal numbers, such as 192.0.2.1")
	}
	return host, nil
}

func validLabel(label string) bool {
	if label == "" || len(label) > maxLabel || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	return strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// isNumber reports whether a label is one that address parsers of C libraries
// take for a number: decimal, octal or hexadecimal (URL Standard, "ends in a
// number").
func isNumber(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

func hasPunycode(host string) bool {
	return strings.HasPrefix(host, "xn--") || strings.Contains(host, ".xn--")
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
