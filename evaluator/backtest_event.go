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
	webhook := event.Webhook{ID: b.rule.webhook}
	if b.rule.kind != event.GoalCompleted {
		key := stateKey{b.rule.trigger, b.of.site, b.of.goal.ID}
		return event.New(time.Unix(x.at, 0), w.of(key, x.firing, webhook, l))
	}
	cooldown := b.rule.cooldown
	return event.New(time.Unix(x.at, 0), w.completed(event.Origin{
		Site:    event.Site{ID: b.of.site, Domain: b.of.domain},
		Webhook: webhook,
		Trigger: event.Trigger{ID: b.rule.trigger, CooldownSeconds: &cooldown},
	}, b.of.goal, completion{tally: x.tally, summary: stats.Summary{Visitors: l.visitors, Sources: l.sources}}))
}
