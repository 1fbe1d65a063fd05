package header

import "strings"

// Why groups of names are refused. Each completes "header N is not allowed: ".
const (
	whyConnection  = "it is about the connection, which the sidecar manages"
	whyOwn         = "the sidecar sets it itself"
	whyBody        = "the sidecar says what the body is"
	whySession     = "a webhook has no session; use Authorization"
	whyOrigin      = "only a proxy may say where a request came from"
	whyIdempotency = "it would be the same for every event, and a receiver would take the first one only; webhook-id tells events apart"
)

// refusedNames and refusedPrefixes are in lower case.
var refusedNames = map[string]string{
	// Hop by hop (RFC 9110, section 7.6.1), and what net/http acts upon.
	"connection":        whyConnection,
	"keep-alive":        whyConnection,
	"te":                whyConnection,
	"trailer":           whyConnection,
	"transfer-encoding": whyConnection,
	"upgrade":           whyConnection,
	"host":              whyConnection,
	"expect":            whyConnection,

	"user-agent": whyOwn,
	"cookie":     whySession,
	"set-cookie": whySession,
	"forwarded":  whyOrigin,
	"via":        whyOrigin,

	// With one of these net/http repeats a request by itself when a connection
	// breaks, and that one would be in no log.
	"idempotency-key":   whyIdempotency,
	"x-idempotency-key": whyIdempotency,
}

var refusedPrefixes = []struct{ prefix, why string }{
	{"proxy-", whyConnection},
	{"content-", whyBody},
	{"webhook-", whyOwn},
	{"x-webhook-", whyOwn},
	{"x-forwarded-", whyOrigin},
}

// refusal says why a valid name may not be used, or is empty.
func refusal(name string) string {
	name = strings.ToLower(name)
	if why, refused := refusedNames[name]; refused {
		return why
	}
	for _, group := range refusedPrefixes {
		if strings.HasPrefix(name, group.prefix) {
			return group.why
		}
	}
	return ""
}
