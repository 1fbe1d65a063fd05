package config_test

import (
	"iter"
	"slices"
	"testing"

	"plausible-webhooks/config"

	gocmp "github.com/google/go-cmp/cmp"
)

func sample() config.Tables {
	return config.Tables{
		Sites: map[int64]config.Site{1: {ID: 1, Domain: "one.example"}, 2: {ID: 2, Domain: "two.example"}},
		Goals: map[int64]config.Goal{
			11: {ID: 11, SiteID: 1}, 10: {ID: 10, SiteID: 1}, 20: {ID: 20, SiteID: 2},
		},
		Notifications: map[int64]config.Notification{
			5: {ID: 5, SiteID: 1, Type: config.NotifySpike, Threshold: 10},
			6: {ID: 6, SiteID: 1, Type: config.NotifyDrop, Threshold: 1},
		},
		Webhooks: map[int64]config.Webhook{
			9: {ID: 9, SiteID: 1}, 7: {ID: 7}, 8: {ID: 8, SiteID: 1},
		},
		Triggers: map[int64]config.Trigger{
			101: {ID: 101, WebhookID: 8}, 100: {ID: 100, WebhookID: 8}, 102: {ID: 102, WebhookID: 7},
		},
	}
}

func TestViewFindsRows(t *testing.T) {
	view := config.NewView(sample())
	if site, ok := view.Site(2); !ok || site.Domain != "two.example" {
		t.Errorf("Site(2) = %+v, %v; want two.example", site, ok)
	}
	if _, ok := view.Site(3); ok {
		t.Error("Site(3) exists; want none")
	}
	if n, ok := view.Notification(1, config.NotifyDrop); !ok || n.Threshold != 1 {
		t.Errorf("Notification(1, drop) = %+v, %v; want threshold 1", n, ok)
	}
	if _, ok := view.Notification(2, config.NotifySpike); ok {
		t.Error("Notification(2, spike) exists; want none")
	}
	if goal, ok := view.Goal(20); !ok || goal.SiteID != 2 {
		t.Errorf("Goal(20) = %+v, %v; want one of site 2", goal, ok)
	}
	if hook, ok := view.Webhook(7); !ok || !hook.InstanceWide() {
		t.Errorf("Webhook(7) = %+v, %v; want the instance-wide one", hook, ok)
	}
	if trigger, ok := view.Trigger(101); !ok || trigger.WebhookID != 8 {
		t.Errorf("Trigger(101) = %+v, %v; want one of webhook 8", trigger, ok)
	}
	if got := len(slices.Collect(view.Sites())); got != 2 || view.SiteCount() != 2 {
		t.Errorf("Sites() yields %d, SiteCount() = %d; want 2", got, view.SiteCount())
	}
	for range view.Sites() {
		break // Stopping early must not go on yielding, which would panic.
	}
}

func TestViewGroupsInOrderOfID(t *testing.T) {
	view := config.NewView(sample())
	tests := []struct {
		name      string
		got, want []int64
	}{
		{"goals of site 1", ids(view.GoalsOf(1), func(g config.Goal) int64 { return g.ID }), []int64{10, 11}},
		{"goals of site 9", ids(view.GoalsOf(9), func(g config.Goal) int64 { return g.ID }), nil},
		{"webhooks of site 1", ids(view.WebhooksOf(1), func(w config.Webhook) int64 { return w.ID }), []int64{8, 9}},
		{"instance-wide webhooks", ids(view.WebhooksOf(0), func(w config.Webhook) int64 { return w.ID }), []int64{7}},
		{"triggers of webhook 8", ids(view.TriggersOf(8), func(t config.Trigger) int64 { return t.ID }), []int64{100, 101}},
	}
	for _, test := range tests {
		if diff := gocmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestViewYieldsRowsInOrderOfID(t *testing.T) {
	view := config.NewView(sample())
	for id, w := range view.Webhooks() {
		if id != w.ID {
			t.Errorf("webhook %d comes with the id %d", w.ID, id)
		}
	}
	tests := []struct {
		name      string
		got, want []int64
	}{
		{"sites", yielded(view.Sites(), func(s config.Site) int64 { return s.ID }), []int64{1, 2}},
		{"goals", yielded(view.Goals(), func(g config.Goal) int64 { return g.ID }), []int64{10, 11, 20}},
		{"notifications", yielded(view.Notifications(), func(n config.Notification) int64 { return n.ID }), []int64{5, 6}},
		{"webhooks", webhooks(view), []int64{7, 8, 9}},
		{"triggers", yielded(view.Triggers(), func(t config.Trigger) int64 { return t.ID }), []int64{100, 101, 102}},
	}
	for _, test := range tests {
		if diff := gocmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	if got := view.WebhookCount(); got != 3 {
		t.Errorf("WebhookCount() = %d, want 3", got)
	}
	for range view.Webhooks() {
		break // Stopping early must not go on yielding, which would panic.
	}
}

func TestNextLeavesTheViewBeforeItAlone(t *testing.T) {
	first := config.NewView(sample())
	state := sample().State()
	state.Goals = config.Tables{Goals: map[int64]config.Goal{30: {ID: 30, SiteID: 2}}}.State().Goals
	second := first.Next(state)
	if first.Revision != 1 || second.Revision != 2 {
		t.Errorf("revisions %d and %d; want 1 and 2", first.Revision, second.Revision)
	}
	if _, ok := first.Goal(30); ok || len(first.GoalsOf(1)) != 2 {
		t.Error("Next changed the view it started from")
	}
	if _, ok := second.Goal(10); ok || len(second.GoalsOf(1)) != 0 || len(second.GoalsOf(2)) != 1 {
		t.Error("Next kept goals that are not in the new state")
	}
	if _, ok := second.Site(1); !ok || len(second.TriggersOf(8)) != 2 {
		t.Error("Next lost tables that did not change")
	}
	if emptied := second.Next(config.EmptyState()); emptied.SiteCount() != 0 {
		t.Errorf("the empty state has %d sites", emptied.SiteCount())
	}
}

func TestGoalsChangedSinceAnotherView(t *testing.T) {
	before := config.NewView(sample())
	tables := sample()
	delete(tables.Goals, 10)
	tables.Goals[11] = config.Goal{ID: 11, SiteID: 1, DisplayName: "renamed"}
	tables.Goals[30] = config.Goal{ID: 30, SiteID: 2}
	after := before.Next(tables.State())
	id := func(g config.Goal) int64 { return g.ID }
	tests := []struct {
		name      string
		got, want []int64
	}{
		{"changed and new", yielded(after.GoalsChangedSince(before), id), []int64{11, 30}},
		{"changed and gone", yielded(before.GoalsChangedSince(after), id), []int64{10, 11}},
		{"all", yielded(after.GoalsChangedSince(nil), id), []int64{11, 20, 30}},
		{"none", yielded(after.GoalsChangedSince(after), id), nil},
	}
	for _, test := range tests {
		if diff := gocmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func yielded[T any](rows iter.Seq[T], id func(T) int64) []int64 { return ids(slices.Collect(rows), id) }

func webhooks(view *config.View) (ids []int64) {
	for id := range view.Webhooks() {
		ids = append(ids, id)
	}
	return ids
}

func ids[T any](rows []T, id func(T) int64) []int64 {
	var all []int64
	for _, row := range rows {
		all = append(all, id(row))
	}
	return all
}
