package evaluator

import (
	"fmt"
	"strconv"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/evaluator/stats"
)

// writer turns firings into deliveries.
type writer struct {
	view    *config.View
	baseURL string
	now     int64
}

// lists are what a firing shows besides its numbers.
type lists struct {
	sources, pages []stats.Count
	visitors       int // Of a goal.
}

// condition returns the delivery of a firing of a condition, and false where
// its webhook is gone. Everything it tells stands in the episode, since at its
// end the trigger, the goal or the site may no longer be there.
func (w writer) condition(key stateKey, f firing, l lists) (delivery, bool, error) {
	webhook, ok := w.view.Webhook(f.episode.Webhook)
	if !ok {
		return delivery{}, false, nil
	}
	e := f.episode
	number := strconv.Itoa(e.Firings)
	if f.ended {
		number = "ended"
	}
	return w.render(webhook, key, w.of(key, f, event.Webhook{ID: webhook.ID, Name: webhook.Name}, l), e.ID+":"+number)
}

// of returns what is told of a firing of a condition.
func (w writer) of(key stateKey, f firing, webhook event.Webhook, l lists) event.Data {
	e := f.episode
	origin := event.Origin{
		Site:    event.Site{ID: key.site, Domain: e.Domain},
		Webhook: webhook,
		Trigger: event.Trigger{ID: key.trigger, Threshold: &e.Threshold, WindowSeconds: &e.Window, CooldownSeconds: &e.Cooldown},
	}
	episode := event.Episode{ID: e.ID, StartedAt: time.Unix(e.Started, 0), Firing: e.Firings}
	goal := event.Goal{ID: key.goal, Name: e.Goal, Kind: e.GoalKind}
	if f.ended {
		return w.ended(f, origin, episode, goal)
	}
	return w.began(f, origin, episode, goal, l)
}

func (w writer) began(f firing, o event.Origin, episode event.Episode, goal event.Goal, l lists) event.Data {
	address := event.DashboardURL(w.baseURL, o.Site.Domain, f.kind == event.TrafficSpike)
	window, value := f.episode.Window, f.value
	switch f.kind {
	case event.TrafficSpike:
		return event.SpikeData{
			Origin: o, Episode: episode, CurrentVisitors: value, WindowSeconds: window,
			TopSources: counts(l.sources), TopPages: counts(l.pages), DashboardURL: address,
		}
	case event.TrafficDrop:
		return event.DropData{Origin: o, Episode: episode, Visitors: value, WindowSeconds: window, DashboardURL: address}
	default:
		return event.GoalThresholdData{
			Origin: o, Episode: episode, Goal: goal, Conversions: value, Visitors: l.visitors, WindowSeconds: window,
			TopSources: counts(l.sources), DashboardURL: address,
		}
	}
}

func (w writer) ended(f firing, o event.Origin, episode event.Episode, goal event.Goal) event.Data {
	address := event.DashboardURL(w.baseURL, o.Site.Domain, f.kind == event.TrafficSpike)
	duration := int(max(w.now-f.episode.Started, 0))
	// Nil where nothing is counted any more.
	var value *int
	if f.counted {
		value = &f.value
	}
	switch f.kind {
	case event.TrafficSpike:
		return event.SpikeEndedData{
			Origin: o, Episode: episode, Reason: f.reason, CurrentVisitors: value,
			PeakVisitors: f.episode.Peak, DurationSeconds: duration, DashboardURL: address,
		}
	case event.TrafficDrop:
		return event.DropEndedData{
			Origin: o, Episode: episode, Reason: f.reason, Visitors: value,
			DurationSeconds: duration, DashboardURL: address,
		}
	default:
		return event.GoalThresholdEndedData{
			Origin: o, Episode: episode, Goal: goal, Reason: f.reason, Conversions: value,
			PeakConversions: f.episode.Peak, DurationSeconds: duration, DashboardURL: address,
		}
	}
}

// completion is what is told of a goal.
type completion struct {
	tally
	number  int64 // Of the firing.
	summary stats.Summary
}

// goal returns the delivery of completions.
func (w writer) goal(key stateKey, r rule, g config.Goal, c completion) (delivery, bool, error) {
	webhook, ok := w.view.Webhook(r.webhook)
	site, exists := w.view.Site(g.SiteID)
	if !ok || !exists {
		return delivery{}, false, nil
	}
	cooldown := r.cooldown
	data := w.completed(event.Origin{
		Site:    event.Site{ID: site.ID, Domain: site.Domain},
		Webhook: event.Webhook{ID: webhook.ID, Name: webhook.Name},
		Trigger: event.Trigger{ID: key.trigger, CooldownSeconds: &cooldown},
	}, event.Goal{ID: g.ID, Name: g.DisplayName, Kind: string(g.Kind())}, c)
	return w.render(webhook, key, data, fmt.Sprintf("%d:%d:%d-%d", r.start, c.number, c.From, c.To))
}

func (w writer) completed(o event.Origin, goal event.Goal, c completion) event.Data {
	return event.GoalData{
		Origin: o, Goal: goal, Conversions: c.Conversions, Visitors: c.summary.Visitors,
		Period:     event.Period{From: time.Unix(c.From, 0), To: time.Unix(c.To, 0)},
		TopSources: counts(c.summary.Sources), DashboardURL: event.DashboardURL(w.baseURL, o.Site.Domain, false),
	}
}

func (w writer) render(webhook config.Webhook, key stateKey, data event.Data, firing string) (delivery, bool, error) {
	payload, err := event.Render(event.New(time.Unix(w.now, 0), data), webhook.Format)
	if err != nil {
		return delivery{}, false, fmt.Errorf("write payload for webhook %d: %w", webhook.ID, err)
	}
	return delivery{
		webhook: webhook.ID, trigger: key.trigger, site: key.site, kind: data.Type(), format: webhook.Format, payload: payload,
		key: fmt.Sprintf("%s:%d:%d:%d:%s", data.Type(), key.trigger, key.site, key.goal, firing),
	}, true, nil
}

func counts(top []stats.Count) []event.Count {
	list := make([]event.Count, len(top))
	for i, c := range top {
		list[i] = event.Count{Name: c.Name, Visitors: c.Visitors}
	}
	return list
}
