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

// traffic returns the delivery of a traffic firing, and false where its
// webhook is gone. Everything it tells stands in the episode, since at its end
// the trigger or the site may no longer be there.
func (w writer) traffic(key stateKey, f firing, sources, pages []stats.Count) (delivery, bool, error) {
	webhook, ok := w.view.Webhook(f.episode.Webhook)
	if !ok {
		return delivery{}, false, nil
	}
	e := f.episode
	origin := event.Origin{
		Site:    event.Site{ID: key.site, Domain: e.Domain},
		Webhook: event.Webhook{ID: webhook.ID, Name: webhook.Name},
		Trigger: event.Trigger{ID: key.trigger, Threshold: &e.Threshold, WindowSeconds: &e.Window, CooldownSeconds: &e.Cooldown},
	}
	episode := event.Episode{ID: e.ID, StartedAt: time.Unix(e.Started, 0), Firing: e.Firings}
	spike := f.kind == event.TrafficSpike
	address := event.DashboardURL(w.baseURL, e.Domain, spike)
	duration := int(max(w.now-e.Started, 0))
	var data event.Data
	switch {
	case spike && f.ended:
		data = event.SpikeEndedData{
			Origin: origin, Episode: episode, Reason: f.reason, CurrentVisitors: f.value,
			PeakVisitors: e.Peak, DurationSeconds: duration, DashboardURL: address,
		}
	case spike:
		data = event.SpikeData{
			Origin: origin, Episode: episode, CurrentVisitors: *f.value, WindowSeconds: e.Window,
			TopSources: counts(sources), TopPages: counts(pages), DashboardURL: address,
		}
	case f.ended:
		data = event.DropEndedData{
			Origin: origin, Episode: episode, Reason: f.reason, Visitors: f.value,
			DurationSeconds: duration, DashboardURL: address,
		}
	default:
		data = event.DropData{Origin: origin, Episode: episode, Visitors: *f.value, WindowSeconds: e.Window, DashboardURL: address}
	}
	number := strconv.Itoa(e.Firings)
	if f.ended {
		number = "ended"
	}
	return w.render(webhook, key, data, e.ID+":"+number)
}

// completion is what is told of a goal.
type completion struct {
	tally
	number   int64 // Of the firing.
	visitors int
	sources  []stats.Count
}

// goal returns the delivery of completions.
func (w writer) goal(key stateKey, r *rule, g config.Goal, c completion) (delivery, bool, error) {
	webhook, ok := w.view.Webhook(r.webhook)
	site, exists := w.view.Site(g.SiteID)
	if !ok || !exists {
		return delivery{}, false, nil
	}
	cooldown := r.cooldown
	data := event.GoalData{
		Origin: event.Origin{
			Site:    event.Site{ID: site.ID, Domain: site.Domain},
			Webhook: event.Webhook{ID: webhook.ID, Name: webhook.Name},
			Trigger: event.Trigger{ID: key.trigger, CooldownSeconds: &cooldown},
		},
		Goal:         event.Goal{ID: g.ID, Name: g.DisplayName, Kind: string(g.Kind())},
		Conversions:  c.Conversions,
		Visitors:     c.visitors,
		Period:       event.Period{From: time.Unix(c.From, 0), To: time.Unix(c.To, 0)},
		TopSources:   counts(c.sources),
		DashboardURL: event.DashboardURL(w.baseURL, site.Domain, false),
	}
	return w.render(webhook, key, data, fmt.Sprintf("%d:%d:%d-%d", r.start, c.number, c.From, c.To))
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
