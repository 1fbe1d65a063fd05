package evaluator

import (
	"context"

	"plausible-webhooks/evaluator/stats"
)

const (
	// longestAudience is up to how many seconds are read by visitor, so that
	// what fires needs no second question: those of an ordinary tick, not a
	// downtime.
	longestAudience = 600
	// mostBuckets is up to how many buckets in a tick by second the next one is
	// read by visitor again, of which there may be a few times as many.
	mostBuckets = 10_000
)

// detail decides how completions of a stretch of time (Unix seconds) are read,
// and prepares the audience if it is by visitor.
func (t *tick) detail(after, through int64) stats.Detail {
	if t.crowded || through-after > longestAudience {
		return stats.BySecond
	}
	t.audience = stats.NewAudience(after, through)
	return stats.ByVisitor
}

// summaries tells of each who it was: mostly the tick has read that already.
func (t *tick) summaries(ctx context.Context, due []dueGoal) ([]stats.Summary, error) {
	summaries := make([]stats.Summary, len(due))
	var asked []stats.Selection
	var places []int
	for i, x := range due {
		s := stats.Selection{Goal: x.g.Goal, From: x.From, To: x.To}
		known := false
		if summaries[i], known = t.audience.Summary(s); !known {
			asked, places = append(asked, s), append(places, i)
		}
	}
	answers, err := t.stats.Summaries(ctx, asked)
	if err != nil {
		return nil, err
	}
	for i, place := range places {
		summaries[place] = answers[i]
	}
	return summaries, nil
}

// isCrowded reports whether the next tick had better not read by visitor. Once
// that was so, there have to be far fewer before it is tried again.
func (t *tick) isCrowded() bool {
	if t.audience != nil {
		return t.audience.Crowded()
	}
	return t.crowded && t.buckets > mostBuckets
}
