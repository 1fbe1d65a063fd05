package config_test

import (
	"math"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
)

var (
	integers = rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{0, 1, -1, 100, math.MinInt64, math.MaxInt64}))
	texts    = rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "Signup", "\xff\x00"}))
	props    = rapid.OneOf(rapid.Just[map[string]string](nil), rapid.MapOf(texts, texts))
)

func integer(t *rapid.T) int { return int(integers.Draw(t, "integer")) }

func moment(t *rapid.T) time.Time {
	seconds := rapid.OneOf(rapid.Int64Range(-62135596800, 253402300799), rapid.SampledFrom([]int64{-62135596800, -1, 0, 1})).Draw(t, "seconds")
	nanos := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, 999_999_999), rapid.SampledFrom([]int64{1000, 123_456_000})).Draw(t, "nanoseconds")
	if rapid.IntRange(0, 3).Draw(t, "zero") == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, nanos).UTC()
}

// What a row is when it comes, it is when it is handed out: in every field, and
// among rows that share texts and properties with it.
func TestRowsAreHandedOutAsTheyCame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tables := config.Tables{
			Sites: map[int64]config.Site{}, Goals: map[int64]config.Goal{}, Notifications: map[int64]config.Notification{},
			Webhooks: map[int64]config.Webhook{}, Triggers: map[int64]config.Trigger{},
		}
		text := func() string { return texts.Draw(t, "text") }
		is := func() bool { return rapid.Bool().Draw(t, "is") }
		for range rapid.IntRange(1, 6).Draw(t, "rows") {
			id := integers.Draw(t, "id")
			tables.Sites[id] = config.Site{ID: id, Domain: text(), Timezone: text(), NativeStatsStartAt: moment(t), TeamID: integers.Draw(t, "team")}
			tables.Goals[id] = config.Goal{
				ID: id, SiteID: integers.Draw(t, "site"), DisplayName: text(), EventName: text(), PagePath: text(),
				ScrollThreshold: integer(t), CustomProps: props.Draw(t, "props"), InsertedAt: moment(t), UpdatedAt: moment(t),
			}
			tables.Notifications[id] = config.Notification{ID: id, SiteID: integers.Draw(t, "site"), Type: config.NotificationType(text()), Threshold: integer(t)}
			tables.Webhooks[id] = config.Webhook{
				ID: id, SiteID: integers.Draw(t, "site"), Name: text(), Format: event.Format(text()), Enabled: is(),
				DisabledReason: text(), ManagedBy: text(), InsertedAt: moment(t), RestartedAt: moment(t),
			}
			trigger := config.Trigger{
				ID: id, WebhookID: integers.Draw(t, "webhook"), Type: event.Type(text()), GoalID: integers.Draw(t, "goal"),
				Threshold: integer(t), WindowSeconds: integer(t), Repeat: is(), NotifyRecovery: is(), Enabled: is(),
				InsertedAt: moment(t), RestartedAt: moment(t),
			}
			if is() {
				cooldown := integer(t)
				trigger.CooldownSeconds = &cooldown
			}
			tables.Triggers[id] = trigger
		}
		state := tables.State()
		handedOut(t, tables.Sites, state.Sites)
		handedOut(t, tables.Goals, state.Goals)
		handedOut(t, tables.Notifications, state.Notifications)
		handedOut(t, tables.Webhooks, state.Webhooks)
		handedOut(t, tables.Triggers, state.Triggers)
	})
}

// exactly compares field by field, a time by all that is in it.
var exactly = gocmp.Options{
	gocmp.Comparer(func(a, b time.Time) bool { return a == b }),
	gocmp.Transformer("goal", func(g config.Goal) any { type fields config.Goal; return fields(g) }),
	gocmp.Transformer("trigger", func(t config.Trigger) any { type fields config.Trigger; return fields(t) }),
}

func handedOut[R any](t *rapid.T, want map[int64]R, table *config.Table[R]) {
	t.Helper()
	for id, row := range want {
		got, ok := table.Get(id)
		if diff := gocmp.Diff(row, got, exactly); !ok || diff != "" {
			t.Fatalf("row %d of %T, found: %v (-came +handed out):\n%s", id, row, ok, diff)
		}
	}
}

func TestTimesAreHandedOutInUTC(t *testing.T) {
	tallinn := time.FixedZone("EET", 2*60*60)
	came := time.Date(2026, 3, 1, 14, 0, 0, 0, tallinn)
	state := config.Tables{Sites: map[int64]config.Site{1: {ID: 1, NativeStatsStartAt: came}}}.State()
	site, _ := state.Sites.Get(1)
	if want := came.UTC(); site.NativeStatsStartAt != want {
		t.Errorf("the time is %v, want %v", site.NativeStatsStartAt, want)
	}
}
