package evaluator

import (
	"context"
	"maps"
	"time"
	_ "time/tzdata" // Containers often lack the time zones of sites.

	"plausible-webhooks/evaluator/stats"
)

// scrolledTo is a scroll goal with new rows, not counted yet: rows repeat as a
// visitor reads on, so that only visitors can be counted.
type scrolledTo struct {
	key   stateKey
	goal  boundGoal
	state goalState
	fresh []second
}

// day is a calendar day of a site. Unix seconds, both inclusive.
type day struct{ first, last int64 }

// dayOf returns the day of a moment in a site's time zone; an unknown one is
// read as UTC, as in Plausible where it fails to load.
func dayOf(at int64, timezone string) day {
	zone, err := time.LoadLocation(timezone)
	if err != nil {
		zone = time.UTC
	}
	year, month, date := time.Unix(at, 0).In(zone).Date()
	return day{
		first: time.Date(year, month, date, 0, 0, 0, 0, zone).Unix(),
		last:  time.Date(year, month, date+1, 0, 0, 0, 0, zone).Unix() - 1,
	}
}

// countScrolls asks how many visitors have reached the goals on the days of
// the new rows; those that are more than before have newly reached them.
func (t *tick) countScrolls(ctx context.Context, d *draft, scrolled []scrolledTo, in span) error {
	type question struct {
		of   int // Index of scrolled.
		day  day
		when tally // First and last new row of the day.
	}
	var questions []question
	var selections []stats.Selection
	for i, s := range scrolled {
		days := map[day]tally{}
		for _, f := range s.fresh {
			on := dayOf(f.at(), s.goal.site.Timezone)
			days[on] = days[on].add(tally{1, f.at(), f.at()})
		}
		g := s.goal
		since := max(g.r.start, g.since, s.state.Since) + 1
		for on, when := range days {
			questions = append(questions, question{i, on, when})
			selections = append(selections, stats.Selection{
				Site: g.SiteID, Goal: &g.Goal,
				From: max(on.first, since, unixSeconds(g.site.NativeStatsStartAt)), To: min(on.last, in.through),
			})
		}
		scrolled[i].state.Reached = maps.Clone(s.state.Reached)
		if s.state.Reached == nil {
			scrolled[i].state.Reached = map[int64]int{}
		}
	}
	visitors, err := t.stats.Visitors(ctx, selections)
	if err != nil {
		return err
	}
	for i, q := range questions {
		s := &scrolled[q.of].state
		if newly := visitors[i] - s.Reached[q.day.first]; newly > 0 {
			s.Waiting = s.Waiting.add(tally{newly, q.when.From, q.when.To})
		}
		s.Reached[q.day.first] = visitors[i]
	}
	for _, s := range scrolled {
		maps.DeleteFunc(s.state.Reached, func(first int64, _ int) bool {
			return dayOf(first, s.goal.site.Timezone).last <= in.sealed
		})
		d.goals[s.key] = s.state
	}
	return nil
}
