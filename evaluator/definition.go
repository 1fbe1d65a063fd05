package evaluator

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"plausible-webhooks/config"
)

// definition remembers how a goal was defined, so that an edit in place is
// noticed even if it happened while nobody looked. Unix seconds.
type definition struct {
	Print   goalPrint `json:"print"`
	Since   int64     `json:"since"`             // Rows up to and including this second belong to an older definition.
	Updated int64     `json:"updated,omitempty"` // goals.updated_at as last seen; a new display name moves it too.
	site    int64
}

// goalPrint stands for what decides which rows a goal matches.
type goalPrint uint64

// MarshalText writes a print as it is stored: 16 hexadecimal digits.
func (p goalPrint) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(p)), nil }

// UnmarshalText reads what MarshalText wrote.
func (p *goalPrint) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 64)
	*p = goalPrint(n)
	return err
}

// define returns the definition that follows old for the goal as it is now;
// old is zero where the goal has never been seen. Plausible bumps updated_at
// with an edit; an edit without it counts from now, also where updated_at was
// bumped before, for a new display name.
func define(old definition, g config.Goal, now int64) definition {
	updated := max(unixSeconds(g.InsertedAt), unixSeconds(g.UpdatedAt))
	next := definition{fingerprint(g), old.Since, updated, g.SiteID}
	switch {
	case old == definition{}:
		next.Since = updated
	case old.Print == next.Print:
	case updated > max(old.Updated, old.Since):
		next.Since = updated
	case old.Updated != 0 && updated > old.Updated:
		// Edited, but seen after an edit that was timed when it was seen.
	default:
		next.Since = now
	}
	return next
}

// define looks at the definitions of goals that may have changed, or that no
// trigger asked about before, and returns what is new.
func (e *Evaluator) define(now int64) map[int64]definition {
	defined := map[int64]definition{}
	if !e.redefining {
		return defined
	}
	for _, goal := range e.plan.tracked {
		before, known := e.memory.definitions[goal]
		if known && !e.redefine[goal] {
			continue
		}
		g, _ := e.plan.view.Goal(goal)
		if after := define(before.value, g, now); after != before.value {
			defined[goal] = after
		}
	}
	return defined
}

// redefined notes that the definitions of all tracked goals are stored. Of the
// others a change is kept in mind, for the time when somebody asks about them.
func (e *Evaluator) redefined() {
	kept := map[int64]bool{}
	for goal := range e.redefine {
		_, tracked := slices.BinarySearch(e.plan.tracked, goal)
		if _, known := e.memory.definitions[goal]; known && !tracked {
			kept[goal] = true
		}
	}
	e.redefine, e.redefining = kept, false
}

// since is the second up to which rows belong to an older definition of a goal.
func (t *tick) since(goal int64) int64 {
	if d, changed := t.defined[goal]; changed {
		return d.Since
	}
	return t.memory.definitions[goal].value.Since
}

// fingerprint covers what decides which rows a goal matches, and nothing else:
// a new display name is the same goal.
func fingerprint(g config.Goal) goalPrint {
	// A map is encoded with its keys sorted.
	matching, err := json.Marshal([]any{g.SiteID, g.EventName, g.PagePath, g.ScrollThreshold, g.CustomProps})
	if err != nil {
		panic(err) // Strings and numbers always encode.
	}
	sum := sha256.Sum256(matching)
	return goalPrint(binary.BigEndian.Uint64(sum[:]))
}
