package evaluator

import (
	"fmt"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
)

// scrollAccount is what one trigger may tell of one scroll goal: visitors, of
// each day of the site, since the last of trigger's start, goal's definition
// and "reset stats".
type scrollAccount struct {
	since string                // What the rest belongs to.
	told  int                   // Visitors.
	high  int                   // Those who may have been told.
	sure  map[visitorDay]bool   // Those who must be.
	of    map[*ledgerRow]string // What rows were judged for.
	carry int                   // Still to be told of before.
	held  bool                  // By a cooldown, or since ClickHouse did not answer.
}

type visitorDay struct {
	user uint64
	day  string
}

// judgeScroll judges visitors: a visitor who reads on is not told again, and
// every one who has newly reached the goal is. Held: nothing may be told now.
func (l *ledger) judgeScroll(now int64, site config.Site, g config.Goal, a *account, list []told, held bool) string {
	def, s := l.definitions[g.ID], &a.scroll
	since := fmt.Sprint(a.start, a.native, def.never, a.takenOver)
	if s.since != since {
		next := scrollAccount{since: since, sure: map[visitorDay]bool{}, of: s.of}
		if s.of == nil {
			next.of = map[*ledgerRow]string{}
		}
		// Room: what was held back, also of when it was no scroll goal, may be
		// told or forgotten.
		next.carry = a.high
		if s.held {
			next.carry += s.high - s.told
		}
		a.low, a.high = 0, 0
		*s = next
	}
	s.held = held
	early := map[visitorDay]bool{} // Read something there before this began.
	zone := zoneOf(site)
	for _, r := range l.rows {
		if r.SiteID != uint64(site.ID) || r.Name != "engagement" || r.at > now {
			continue
		}
		key := dayOfVisitor(r, zone)
		if of, judged := s.of[r]; r.at <= max(a.start, def.certain, a.takenOver) || r.at < a.native || (judged && of != since) {
			early[key] = true
		}
		if counts, sure := l.counts(now, g, a, r); counts {
			a.seen[r], s.of[r] = true, since
			s.sure[key] = s.sure[key] || sure
		} else if _, judged := s.of[r]; a.seen[r] && !judged {
			s.of[r] = "the goal's own trigger"
		}
	}
	low := 0
	for key, sure := range s.sure {
		// Room: who had reached it that day before counting began may count as
		// having newly reached it or not.
		if sure && !early[key] {
			low++
		}
	}
	s.high = len(l.visitors(now, site, g, a, def)) + s.carry
	for _, d := range list {
		s.told += d.Data.Conversions
	}
	switch {
	case s.told > s.high:
		return fmt.Sprintf("told %d visitors in all, but only %d reached it", s.told, s.high)
	case !held && s.told < low:
		return fmt.Sprintf("told %d visitors in all, but %d have newly reached it", s.told, low)
	}
	return ""
}

// scrolledAlone takes what was told at a tick that did not count goals: only
// visitors of scroll goals, whose rows an earlier one has seen.
func (l *ledger) scrolledAlone(now int64, list []told) (mistakes []string) {
	for _, d := range list {
		switch a := l.accounts[goalKey{d.Data.Trigger.ID, d.Data.Goal.ID}]; {
		case d.Type != event.GoalCompleted:
		case d.Data.Goal.Kind != string(config.GoalScroll) || a == nil:
			mistakes = append(mistakes, fmt.Sprintf("told %s, although goals were not counted", d))
		default:
			a.scroll.told += d.Data.Conversions
			a.fired = now
		}
	}
	return mistakes
}

// leave is for a goal that is no scroll goal any more.
func (s *scrollAccount) leave() (held int) {
	if s.held {
		held = s.high - s.told
	}
	*s = scrollAccount{of: s.of}
	return held
}

// visitors are those whose rows of a day count: when a day is counted, rows
// that came too late to be a reason for it are in it too.
func (l *ledger) visitors(now int64, site config.Site, g config.Goal, a *account, def *definitionEntry) map[visitorDay]bool {
	zone := zoneOf(site)
	found := map[visitorDay]bool{}
	for _, r := range l.rows {
		if r.SiteID == uint64(site.ID) && r.at <= now && r.at > a.start && r.at > def.never && r.at >= a.native && completes(g, r) {
			found[dayOfVisitor(r, zone)] = true
		}
	}
	return found
}

func dayOfVisitor(r *ledgerRow, zone *time.Location) visitorDay {
	return visitorDay{r.UserID, time.Unix(r.at, 0).In(zone).Format(time.DateOnly)}
}

func zoneOf(site config.Site) *time.Location {
	zone, err := time.LoadLocation(site.Timezone)
	if err != nil {
		panic(err) // The tests' own.
	}
	return zone
}
