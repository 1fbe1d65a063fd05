package evaluator

import (
	"context"
	"time"

	"plausible-webhooks/config/event"
	"plausible-webhooks/evaluator/stats"
)

// firings makes events of what was told. Sources, pages and the visitors of
// goals are asked for with one question, for the newest only.
func (b *backtest) firings(ctx context.Context) ([]Firing, error) {
	b.told.trim()
	list := make([]Firing, len(b.told.list))
	listed, stretches := b.worthLists()
	asked, err := b.lists(ctx, stretches)
	if err != nil {
		return nil, err
	}
	for i, x := range b.told.list {
		var l lists
		if at, ok := listed[i]; ok {
			l = asked[at]
		}
		list[i] = Firing{
			At: time.Unix(x.at, 0).UTC(), Value: x.firing.value, Episode: x.firing.episode.ID, Ended: x.firing.ended,
			Event: b.event(x, l),
		}
		_, list[i].Listed = listed[i]
	}
	return list, nil
}

// worthLists returns the stretches of time that lists are asked for, and by
// place among what was told which of them is a firing's.
func (b *backtest) worthLists() (listed map[int]int, stretches []stats.Stretch) {
	listed = map[int]int{}
	if b.rule.kind == event.TrafficDrop {
		return listed, nil
	}
	sum := 0
	for i := len(b.told.list) - 1; i >= 0 && len(stretches) < mostListed; i-- {
		x := b.told.list[i]
		if x.firing.ended {
			continue
		}
		if sum += x.firing.value; sum > mostListedValue && len(stretches) > 0 {
			break
		}
		s := stats.Stretch{From: max(x.at-int64(b.rule.window), b.native), To: x.at}
		if b.rule.kind == event.GoalCompleted {
			s = stats.Stretch{From: x.tally.From, To: x.tally.To}
		}
		listed[i] = len(stretches)
		stretches = append(stretches, s)
	}
	return listed, stretches
}

func (b *backtest) lists(ctx context.Context, stretches []stats.Stretch) ([]lists, error) {
	asked := make([]lists, len(stretches))
	if b.rule.kind == event.TrafficSpike {
		tops, err := b.stats.TopWithin(ctx, b.of.site, stretches)
		for i, top := range tops {
			asked[i] = lists{sources: top.Sources, pages: top.Pages}
		}
		return asked, err
	}
	if len(stretches) == 0 {
		return asked, nil
	}
	summaries, err := b.stats.SummariesWithin(ctx, *b.options.Goal, stretches)
	for i, s := range summaries {
		asked[i] = lists{sources: s.Sources, visitors: s.Visitors}
	}
	return asked, err
}

// event is what would have been sent.
func (b *backtest) event(x replayed, l lists) event.Event {
	w := writer{baseURL: b.options.BaseURL, now: x.at}
	cooldown := b.rule.cooldown
	origin := event.Origin{
		Site:    event.Site{ID: b.of.site, Domain: b.of.domain},
		Webhook: event.Webhook{ID: b.rule.webhook},
		Trigger: event.Trigger{ID: b.rule.trigger, CooldownSeconds: &cooldown},
	}
	at := time.Unix(x.at, 0)
	if b.rule.kind == event.GoalCompleted {
		return event.New(at, event.GoalData{
			Origin: origin, Goal: b.of.goal, Conversions: x.tally.Conversions, Visitors: l.visitors,
			Period:     event.Period{From: time.Unix(x.tally.From, 0), To: time.Unix(x.tally.To, 0)},
			TopSources: counts(l.sources), DashboardURL: event.DashboardURL(b.options.BaseURL, b.of.domain, false),
		})
	}
	e := x.firing.episode
	origin.Trigger.Threshold, origin.Trigger.WindowSeconds = &e.Threshold, &e.Window
	episode := event.Episode{ID: e.ID, StartedAt: time.Unix(e.Started, 0), Firing: e.Firings}
	if x.firing.ended {
		return event.New(at, w.ended(x.firing, origin, episode, b.of.goal))
	}
	return event.New(at, w.began(x.firing, origin, episode, b.of.goal, l))
}
