package evaluator

import (
	"context"

	"plausible-webhooks/evaluator/stats"
)

// quietSeconds is the time before a drop's window in which a site must have had
// an event.
const quietSeconds = 7 * 86400

// past is what is known of a site's events in the days before a window. Unix
// seconds.
type past struct {
	last int64 // An event of then; zero: there was none.
	// emptyUntil is the last second for which "none" is certain: until then
	// nothing that is in the window now can have left it.
	emptyUntil int64
}

type pastKey struct {
	window int
	site   int64
}

// lively returns the sites among the candidates that have fewer visitors than
// some threshold, but had an event in the seven days before the window: a site
// that never had traffic has lost none. Answers are remembered while they are
// certain, so that few sites are asked about again.
func (t *tick) lively(ctx context.Context, c class, candidates []candidate, values map[int64]stats.Traffic) (map[int64]bool, error) {
	windowFrom := t.now - int64(c.window)
	quietFrom := windowFrom - quietSeconds
	lower := map[int64]int64{}
	var unknown []int64
	for _, x := range candidates {
		if x.value >= x.rule.threshold || x.from > windowFrom {
			continue // Enough visitors, or its statistics begin inside the window.
		}
		if _, twice := lower[x.of.site]; twice {
			continue
		}
		site, _ := t.plan.view.Site(x.of.site)
		lower[site.ID] = max(quietFrom, unixSeconds(site.NativeStatsStartAt))
		known, ok := t.past[pastKey{c.window, site.ID}]
		if !ok || (known.last == 0 && known.emptyUntil < t.now) || (known.last != 0 && known.last < lower[site.ID]) {
			unknown = append(unknown, site.ID)
		}
	}
	if len(unknown) > 0 {
		last, err := t.stats.LastEvents(ctx, quietFrom, windowFrom, stats.Few(unknown))
		if err != nil {
			return nil, err
		}
		for _, site := range unknown {
			oldest := t.now
			if v, ok := values[site]; ok {
				oldest = min(oldest, v.First)
			}
			if last[site] < lower[site] {
				last[site] = 0
			}
			t.past[pastKey{c.window, site}] = past{last[site], oldest + int64(c.window)}
		}
	}
	lively := make(map[int64]bool, len(lower))
	for site, from := range lower {
		if last := t.past[pastKey{c.window, site}].last; last != 0 && last >= from {
			lively[site] = true
		}
	}
	return lively, nil
}
