package evaluator

import (
	"fmt"
	"strings"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
)

// episodes holds what is told of conditions to the reference: firings of an
// episode are numbered, never within a cooldown, and its end is told once.
type episodes struct {
	ledger *ledger
	known  map[string]*toldEpisode
	last   map[string]int64 // When a trigger last fired, by trigger, site, goal and start.
}

type toldEpisode struct {
	kind    event.Type
	firings int
	ended   bool
}

func newEpisodes(l *ledger) *episodes {
	return &episodes{ledger: l, known: map[string]*toldEpisode{}, last: map[string]int64{}}
}

// tell takes a delivery of a condition and returns what is wrong with it.
// Tables are those that the tick saw.
func (e *episodes) tell(now int64, tables config.Tables, d told) string {
	base := event.Type(strings.TrimSuffix(string(d.Type), ".ended"))
	id := d.Data.Episode.ID
	episode := e.known[id]
	if base != d.Type {
		switch {
		case episode == nil || episode.kind != base:
			return "the end of an episode that never was"
		case episode.ended:
			return "a second end"
		}
		episode.ended = true
		return ""
	}
	if episode == nil {
		episode = &toldEpisode{kind: base}
		e.known[id] = episode
	}
	if episode.firings++; episode.ended || episode.kind != base || d.Data.Episode.Firing != episode.firings {
		return fmt.Sprintf("firing %d as number %d of an episode of %s, ended: %v", episode.firings, d.Data.Episode.Firing, episode.kind, episode.ended)
	}
	t := tables.Triggers[d.Data.Trigger.ID]
	start := started(t, tables.Webhooks[t.WebhookID])
	if base == event.GoalThreshold {
		start = max(start, e.ledger.definitions[d.Data.Goal.ID].certain)
	}
	key := fmt.Sprint(base, t.ID, d.Data.Site.ID, d.Data.Goal.ID, start)
	if last, fired := e.last[key]; fired && now-last < int64(*t.CooldownSeconds) {
		return fmt.Sprintf("fired %d s after the last, within its cooldown of %d s", now-last, *t.CooldownSeconds)
	}
	e.last[key] = now
	got, want := e.value(now, tables, t, d)
	if threshold := *d.Data.Trigger.Threshold; !want.holds(got) || got < threshold {
		return fmt.Sprintf("told %d, want %d to %d, at least the threshold of %d", got, want.low, want.high, threshold)
	}
	return ""
}

// value is what a firing tells, and what the rows say.
func (e *episodes) value(now int64, tables config.Tables, t config.Trigger, d told) (got int, want between) {
	site := tables.Sites[d.Data.Site.ID]
	from := now - int64(*d.Data.Trigger.WindowSeconds)
	from = max(from, started(t, tables.Webhooks[t.WebhookID])+1, seconds(site.NativeStatsStartAt.Unix(), site.NativeStatsStartAt.IsZero()))
	sure, may := map[uint64]bool{}, map[uint64]bool{}
	g := tables.Goals[d.Data.Goal.ID]
	for _, r := range e.ledger.rows {
		if r.gone || r.SiteID != uint64(site.ID) || r.at < from {
			continue
		}
		switch {
		case d.Type == event.TrafficSpike && r.Name == "engagement", d.Type == event.GoalThreshold && !completes(g, r):
			continue
		}
		who := r.UserID
		if d.Type == event.GoalThreshold && g.Kind() != config.GoalScroll {
			who = r.SessionID // Rows count, not visitors.
		}
		since := int64(0)
		never := int64(0)
		if d.Type == event.GoalThreshold {
			since, never = e.ledger.definitions[g.ID].certain, e.ledger.definitions[g.ID].never
		}
		if r.at > never {
			may[who] = true
		}
		// Room: rows of the future, of a Plausible whose clock is ahead, may
		// wait for their time.
		if r.at > since && r.at <= now {
			sure[who] = true
		}
	}
	got = d.Data.Conversions
	if d.Type == event.TrafficSpike {
		got = *d.Data.CurrentVisitors
	}
	return got, between{len(sure), len(may)}
}

// open lists the episodes whose end was not told.
func (e *episodes) open() (list []string) {
	for id, episode := range e.known {
		if !episode.ended {
			list = append(list, fmt.Sprintf("%s of %s", id, episode.kind))
		}
	}
	return list
}
