package stats

// Audience keeps who was seen to complete goals while completions were read by
// visitor: a summary of these rows then needs no question of its own.
type Audience struct {
	after, through int64
	seen           map[int64][]sighting // By goal; nil once there were too many.
	sightings      int
}

type sighting struct {
	second int64
	source string
	user   uint64
}

// mostSightings bounds the memory of an audience at about 4 MiB.
const mostSightings = 50_000

// NewAudience returns an empty audience of the rows with after < timestamp <=
// through (Unix seconds). All of them that complete goals must be added.
func NewAudience(after, through int64) *Audience {
	return &Audience{after: after, through: through, seen: map[int64][]sighting{}}
}

// Add notes that the rows of b complete a goal.
func (a *Audience) Add(goal int64, b *Bucket) {
	if a.sightings++; a.sightings > mostSightings {
		a.seen = nil
		return
	}
	a.seen[goal] = append(a.seen[goal], sighting{b.Second, b.Source, b.User})
}

// Crowded reports whether there were too many to be kept.
func (a *Audience) Crowded() bool { return a.seen == nil }

// Summary is what Client.Summaries would answer, and false where the audience
// does not know: of rows outside of its time, or if it is crowded. The audience
// of nil knows nothing.
func (a *Audience) Summary(s Selection) (Summary, bool) {
	if a == nil || a.Crowded() || s.From <= a.after || s.To > a.through {
		return Summary{}, false
	}
	t := tally{from: s.From, to: s.To, sources: map[string]*visitors{}}
	for _, x := range a.seen[s.Goal.ID] {
		t.add(x.second, x.source, x.user)
	}
	return t.summary(), true
}
