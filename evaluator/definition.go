package evaluator

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"plausible-webhooks/config"
)

// definition remembers how a goal was defined, so that an edit in place is
// noticed even if it happened while nobody looked. Unix seconds.
type definition struct {
	Print string `json:"print"`
	Since int64  `json:"since"` // Rows up to and including this second belong to an older definition.
}

// define returns the definition that follows old for the goal as it is now;
// old is zero where the goal has never been seen. Plausible bumps updated_at
// with an edit; an edit without it counts from now.
func define(old definition, g config.Goal, now int64) definition {
	print := fingerprint(g)
	updated := unixSeconds(g.UpdatedAt)
	switch {
	case old == definition{}:
		return definition{print, max(unixSeconds(g.InsertedAt), updated)}
	case old.Print == print:
		return old
	case updated > old.Since:
		return definition{print, updated}
	default:
		return definition{print, now}
	}
}

// fingerprint covers what decides which rows a goal matches, and nothing else:
// a new display name is the same goal.
func fingerprint(g config.Goal) string {
	// A map is encoded with its keys sorted.
	matching, err := json.Marshal([]any{g.SiteID, g.EventName, g.PagePath, g.ScrollThreshold, g.CustomProps})
	if err != nil {
		panic(err) // Strings and numbers always encode.
	}
	sum := sha256.Sum256(matching)
	return hex.EncodeToString(sum[:8])
}
