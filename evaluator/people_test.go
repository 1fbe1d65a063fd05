package evaluator

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
)

// What rows and goals are made of: few of each, so that they meet.
var (
	names = []string{"Signup", "Purchase", "Signup pro"}
	paths = []string{"/", "/a", "/ab", "/a/b", "/blog/x/y"}
	globs = []string{"/", "/ab", "/a*", "/blog/**", "**b", "/*/b"}
	plans = []string{"pro", "free"}
)

// definition gives a goal something that it matches.
func (h *history) define(g *config.Goal) {
	g.EventName, g.PagePath, g.ScrollThreshold, g.CustomProps = "", "", config.NoScrollThreshold, nil
	switch h.random.IntN(3) {
	case 0:
		g.EventName = names[h.random.IntN(len(names))]
	case 1:
		g.PagePath = globs[h.random.IntN(len(globs))]
	default:
		g.PagePath, g.ScrollThreshold = globs[h.random.IntN(len(globs))], h.pick(0, 50, 60, 90)
	}
	if h.random.IntN(3) == 0 {
		g.CustomProps = map[string]string{"plan": plans[h.random.IntN(len(plans))]}
	}
}

// moment is when somebody did what is seen now: polling settings sees it up
// to six seconds late, replication within one.
func (h *history) moment() time.Time {
	at := h.now.Add(time.Duration(h.random.IntN(1000)) * time.Millisecond)
	if h.random.IntN(4) == 0 {
		at = at.Add(-time.Duration(1+h.random.IntN(6)) * time.Second)
	}
	h.edited = at.Unix()
	return at
}

func (h *history) addGoal(site int64) int64 {
	at := h.moment().Truncate(time.Second)
	g := config.Goal{ID: h.id(), SiteID: site, InsertedAt: at, UpdatedAt: at}
	h.define(&g)
	g.DisplayName = fmt.Sprintf("Goal %d", g.ID)
	h.tables.Goals[g.ID] = g
	h.publish()
	h.ledger.edited(g.ID, at.Unix())
	h.tell("goal %d of site %d: %s", g.ID, site, definitionOf(g))
	return g.ID
}

func (h *history) addTrigger(t config.Trigger) {
	t.InsertedAt, t.Repeat = h.moment(), true
	t.NotifyRecovery = t.Type != event.GoalCompleted
	id := h.trigger(t)
	h.tell("trigger %d of webhook %d: %s of goal %d from %s", id, t.WebhookID, t.Type, t.GoalID, t.InsertedAt.Format(time.StampMilli))
}

func choose[T any](h *history, of map[int64]T) (id int64, row T, ok bool) {
	ids := slices.Sorted(maps.Keys(of)) // In an order that the seed decides alone.
	if len(ids) == 0 {
		return 0, row, false
	}
	id = ids[h.random.IntN(len(ids))]
	return id, of[id], true
}

// edit is one thing that a person does.
func (h *history) edit() {
	at := h.moment()
	switch h.random.IntN(11) {
	case 0:
		h.editGoal(at)
	case 1:
		h.addGoal(int64(1 + h.random.IntN(3)))
	case 2:
		if id, g, ok := choose(h, h.tables.Goals); ok && len(h.tables.Goals) > 6 {
			h.tell("goal %d of site %d deleted", id, g.SiteID)
			delete(h.tables.Goals, id)
			if h.random.IntN(2) == 0 { // Otherwise its triggers dangle for a while.
				maps.DeleteFunc(h.tables.Triggers, func(_ int64, t config.Trigger) bool { return t.GoalID == id })
			}
			h.publish()
		}
	case 3, 4:
		h.switchTrigger(at)
	case 5, 6:
		h.ownTrigger(at)
	case 7:
		h.switchWebhook(at)
	case 8:
		if id, s, _ := choose(h, h.tables.Sites); h.random.IntN(2) == 0 {
			s.NativeStatsStartAt = at.Truncate(time.Second)
			h.tables.Sites[id] = s
			h.publish()
			h.tell("statistics of site %d reset at %s", id, s.NativeStatsStartAt.Format(time.TimeOnly))
		}
	default:
		h.changeType(at)
	}
}

func (h *history) editGoal(at time.Time) {
	id, g, ok := choose(h, h.tables.Goals)
	if !ok {
		return
	}
	before, bump := definitionOf(g), true
	switch h.random.IntN(4) {
	case 0, 1:
		g.DisplayName += "."
	case 2:
		h.define(&g)
	default: // Plain SQL, which leaves updated_at alone.
		h.define(&g)
		bump = false
	}
	at = at.Truncate(time.Second)
	if bump && at.After(g.UpdatedAt) {
		g.UpdatedAt = at
	}
	if definitionOf(g) != before {
		h.ledger.edited(id, max(at.Unix(), h.ledger.definitions[id].edited))
	}
	h.tables.Goals[id] = g
	h.publish()
	h.tell("goal %d of site %d edited at %s: %s, updated_at moved: %v", id, g.SiteID, at.Format(time.TimeOnly), definitionOf(g), bump)
}

// restarted is what the schema's trigger notes.
func restarted(old, at time.Time) time.Time {
	if at.After(old) {
		return at
	}
	return old
}

func (h *history) switchTrigger(at time.Time) {
	id, t, ok := choose(h, h.tables.Triggers)
	if !ok {
		return
	}
	if t.Enabled = !t.Enabled; t.Enabled {
		t.RestartedAt = restarted(t.RestartedAt, at)
	}
	h.tables.Triggers[id] = t
	h.publish()
	h.tell("trigger %d enabled: %v at %s", id, t.Enabled, at.Format(time.StampMilli))
}

// ownTrigger gives a goal a trigger of its own, takes it away, or gives it to
// another goal.
func (h *history) ownTrigger(at time.Time) {
	own := maps.Clone(h.tables.Triggers)
	maps.DeleteFunc(own, func(_ int64, t config.Trigger) bool { return t.GoalID == 0 })
	id, t, some := choose(h, own)
	hook, w, _ := choose(h, h.tables.Webhooks)
	goal, g, ok := choose(h, h.tables.Goals)
	kind := h.pick(0, 0, 1)
	cooldown := h.pick(0, 0, 40)
	free := func(t config.Trigger) bool {
		for _, other := range h.tables.Triggers {
			if other.WebhookID == t.WebhookID && other.Type == t.Type && other.GoalID == t.GoalID {
				return false
			}
		}
		return true
	}
	switch {
	case some && h.random.IntN(2) == 0:
		delete(h.tables.Triggers, id)
		h.publish()
		h.tell("trigger %d deleted", id)
	case some && ok && h.random.IntN(3) == 0:
		if t.GoalID = goal; free(t) {
			t.RestartedAt = restarted(t.RestartedAt, at)
			h.tables.Triggers[id] = t
			h.publish()
			h.tell("trigger %d given goal %d at %s", id, goal, at.Format(time.StampMilli))
		}
	case ok && (w.SiteID == 0 || w.SiteID == g.SiteID || h.random.IntN(5) == 0):
		t := config.Trigger{WebhookID: hook, Type: event.GoalCompleted, GoalID: goal, CooldownSeconds: &cooldown}
		if kind == 1 {
			t.Type, t.Threshold, t.WindowSeconds = event.GoalThreshold, 1+h.random.IntN(3), 60
		}
		if free(t) {
			h.addTrigger(t)
		}
	}
}

func (h *history) switchWebhook(at time.Time) {
	id, w, _ := choose(h, h.tables.Webhooks)
	reason := []string{"", "failing"}[h.random.IntN(2)]
	if w.Enabled = !w.Enabled; w.Enabled {
		w.DisabledReason, w.RestartedAt = "", restarted(w.RestartedAt, at)
	} else {
		w.DisabledReason = reason
	}
	h.tables.Webhooks[id] = w
	h.publish()
	h.exec("update plausible_webhooks.webhooks set enabled = $2, disabled_reason = nullif($3, '') where id = $1", id, w.Enabled, w.DisabledReason)
	h.tell("webhook %d enabled: %v (%s) at %s", id, w.Enabled, w.DisabledReason, at.Format(time.StampMilli))
}

// changeType makes a trigger one of another type, or edits what keeps state.
func (h *history) changeType(at time.Time) {
	id, t, ok := choose(h, h.tables.Triggers)
	if !ok {
		return
	}
	kind := []event.Type{event.GoalCompleted, event.GoalThreshold, event.TrafficSpike}[h.random.IntN(3)]
	cooldown, threshold := h.pick(0, 30, 60), 1+h.random.IntN(4)
	if kind == t.Type || t.GoalID != 0 && kind == event.TrafficSpike {
		t.CooldownSeconds = &cooldown
		if kind != event.GoalCompleted {
			t.Threshold = threshold
		}
	} else {
		for _, other := range h.tables.Triggers {
			if other.WebhookID == t.WebhookID && other.Type == kind && other.GoalID == t.GoalID {
				return // The table has room for one of each.
			}
		}
		t.RestartedAt = restarted(t.RestartedAt, at)
		t.Type, t.Threshold, t.WindowSeconds, t.NotifyRecovery = kind, threshold, 60, true
		if kind == event.GoalCompleted {
			t.Threshold, t.WindowSeconds, t.NotifyRecovery = 0, 0, false
		}
	}
	h.tables.Triggers[id] = t
	h.publish()
	h.tell("trigger %d is %s, threshold %d, cooldown %d at %s", id, t.Type, t.Threshold, *t.CooldownSeconds, at.Format(time.StampMilli))
}

// deleteRows deletes rows as a person with SQL does. Of scroll goals only a
// number of visitors is remembered, so that nothing exact could be said.
func (h *history) deleteRows() {
	h.t.Helper()
	var ids []string
	for _, r := range h.ledger.rows[max(0, len(h.ledger.rows)-30):] {
		if !r.gone && r.Name != "engagement" && h.random.IntN(8) == 0 {
			h.ledger.deleted(r)
			ids = append(ids, fmt.Sprint(r.SessionID))
		}
	}
	if len(ids) == 0 {
		return
	}
	h.tell("rows deleted: %s", strings.Join(ids, ", "))
	h.ask("ALTER TABLE events_v2 DELETE WHERE session_id IN (" + strings.Join(ids, ",") + ") SETTINGS mutations_sync = 2")
}

// ask sends a statement to ClickHouse, past the evaluator's own client.
func (w *world) ask(statement string) {
	w.t.Helper()
	address, err := url.Parse(w.events)
	if err != nil {
		w.t.Fatal(err)
	}
	query := url.Values{"database": {strings.TrimPrefix(address.Path, "/")}}
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, "http://"+address.Host+"/?"+query.Encode(), strings.NewReader(statement))
	if err != nil {
		w.t.Fatal(err)
	}
	request.Close = true // No idle connection, which would look like a leak.
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if text, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s %v", statement, text, err)
	}
}
