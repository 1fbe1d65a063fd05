package evaluator

import (
	"testing"
	"time"

	"plausible-webhooks/config"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestCount(t *testing.T) {
	for name, test := range map[string]struct {
		counted []second
		seen    map[int64]int
		in      span
		want    []second // Still read again.
		fresh   []second
		changed bool
	}{
		"nothing":                      {in: span{100, 220, 100}},
		"first rows":                   {seen: map[int64]int{150: 2, 120: 1}, in: span{100, 220, 100}, want: []second{{120, 1}, {150, 2}}, fresh: []second{{120, 1}, {150, 2}}, changed: true},
		"same again":                   {counted: []second{{150, 2}}, seen: map[int64]int{150: 2}, in: span{100, 220, 105}, want: []second{{150, 2}}},
		"late row":                     {counted: []second{{150, 2}}, seen: map[int64]int{150: 3, 140: 1}, in: span{100, 220, 105}, want: []second{{140, 1}, {150, 3}}, fresh: []second{{140, 1}, {150, 1}}, changed: true},
		"sealed before":                {counted: []second{{100, 2}}, seen: map[int64]int{}, in: span{100, 220, 105}},
		"sealed now after its last":    {counted: []second{{103, 2}}, seen: map[int64]int{103: 3}, in: span{100, 220, 105}, fresh: []second{{103, 1}}, changed: true},
		"catching up":                  {seen: map[int64]int{300: 5, 4000: 1}, in: span{100, 4010, 3890}, want: []second{{4000, 1}}, fresh: []second{{300, 5}, {4000, 1}}, changed: true},
		"fallen":                       {counted: []second{{150, 5}}, seen: map[int64]int{150: 2}, in: span{100, 220, 105}, want: []second{{150, 2}}, changed: true},
		"all deleted":                  {counted: []second{{150, 5}}, in: span{100, 220, 105}, changed: true},
		"clock went back":              {counted: []second{{150, 5}, {210, 1}}, seen: map[int64]int{150: 5}, in: span{100, 200, 100}, want: []second{{150, 5}, {210, 1}}},
		"rows outside are not counted": {seen: map[int64]int{100: 7, 221: 7}, in: span{100, 220, 105}},
	} {
		t.Run(name, func(t *testing.T) {
			given := append([]second(nil), test.counted...)
			got, fresh, changed := count(goalState{Counted: test.counted}, test.seen, test.in)
			if diff := cmp.Diff(test.want, append([]second(nil), got.Counted...)); diff != "" {
				t.Errorf("counted (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.fresh, fresh); diff != "" {
				t.Errorf("fresh (-want +got):\n%s", diff)
			}
			if changed != test.changed {
				t.Errorf("changed = %v, want %v", changed, test.changed)
			}
			if diff := cmp.Diff(given, append([]second(nil), test.counted...)); diff != "" {
				t.Errorf("the state given was changed:\n%s", diff)
			}
		})
	}
}

// Whatever the order and lateness of rows, the time between evaluations and
// the pauses: what is told adds up to the rows that came in time.
func TestCountAddsUpToTheRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const late = 20
		cooldown := rapid.IntRange(0, 30).Draw(t, "cooldown")
		table := map[int64]int{}
		arrived, told := 0, 0
		now, after := int64(1000), int64(1000-late)
		s := goalState{}
		for range rapid.IntRange(1, 60).Draw(t, "ticks") {
			for range rapid.IntRange(0, 4).Draw(t, "rows") {
				table[now-rapid.Int64Range(0, late-1).Draw(t, "age")]++
				arrived++
			}
			// A pause is longer than the lateness; rows of meanwhile come too.
			elapsed := rapid.Int64Range(0, 3*late).Draw(t, "elapsed")
			if elapsed > 0 && rapid.Bool().Draw(t, "meanwhile") {
				table[now+rapid.Int64Range(1, elapsed).Draw(t, "at")]++
				arrived++
			}
			now += elapsed
			seen := map[int64]int{}
			for at, rows := range table {
				if at > after && at <= now {
					seen[at] = rows
				}
			}
			sealed := max(after, now-late)
			next, fresh, changed := count(s, seen, span{after, now, sealed})
			if changed {
				next.Waiting = next.Waiting.add(total(fresh))
				s = next
			} else if len(fresh) > 0 {
				t.Fatalf("unchanged state with %v fresh", fresh)
			}
			after = sealed
			released, tally := release(s, cooldown, now)
			s = released
			told += tally.Conversions
		}
		if told+s.Waiting.Conversions != arrived {
			t.Fatalf("told %d and waiting %d, want %d in all", told, s.Waiting.Conversions, arrived)
		}
	})
}

func TestReleaseWaitsForTheCooldownAndLosesNothing(t *testing.T) {
	s := goalState{Waiting: tally{2, 100, 105}}
	s, told := release(s, 300, 110)
	if want := (tally{2, 100, 105}); told != want || s.Fired != 110 || s.Firings != 1 {
		t.Fatalf("first release = %v fired %d number %d; want %v, 110, 1", told, s.Fired, s.Firings, want)
	}
	s.Waiting = s.Waiting.add(tally{1, 120, 120}).add(tally{3, 115, 130})
	if same, told := release(s, 300, 409); !told.IsZero() || same.Waiting != s.Waiting {
		t.Errorf("released %v within the cooldown", told)
	}
	s, told = release(s, 300, 410)
	if want := (tally{4, 115, 130}); told != want || s.Firings != 2 || !s.Waiting.IsZero() {
		t.Errorf("second release = %v number %d; want %v, 2", told, s.Firings, want)
	}
}

func TestRestartKeepsWhatIsCountedAndForgetsTheRest(t *testing.T) {
	s := goalState{Start: 5, Counted: []second{{9, 1}}, Fired: 8, Firings: 3, Waiting: tally{1, 9, 9}, Reached: map[int64]int{0: 1}}
	if diff := cmp.Diff(s, restart(s, 5)); diff != "" {
		t.Errorf("same start (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(goalState{Start: 6, Counted: []second{{9, 1}}, Firings: 3}, restart(s, 6)); diff != "" {
		t.Errorf("another start (-want +got):\n%s", diff)
	}
}

func TestDefine(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0).UTC() }
	goal := config.Goal{ID: 1, SiteID: 2, DisplayName: "Signup", EventName: "Signup", ScrollThreshold: -1, InsertedAt: at(100), UpdatedAt: at(200)}
	first := define(definition{}, goal, 1000)
	if first.Since != 200 {
		t.Errorf("first seen: since %d, want its last update, 200", first.Since)
	}
	renamed := goal
	renamed.DisplayName, renamed.UpdatedAt = "Sign-up", at(900)
	again := define(first, renamed, 1000)
	if again.Since != first.Since || again.Print != first.Print {
		t.Errorf("renamed: %v, want %v but for updated", again, first)
	}
	renamed.EventName = "Register"
	if got := define(again, renamed, 1000); got.Since != 1000 {
		t.Errorf("renamed, then edited without a new updated_at: %v, want since now", got)
	}
	for name, edit := range map[string]func(*config.Goal){
		"event name": func(g *config.Goal) { g.EventName = "Register" },
		"page path":  func(g *config.Goal) { g.EventName, g.PagePath = "", "/a*" },
		"threshold":  func(g *config.Goal) { g.ScrollThreshold = 50 },
		"props":      func(g *config.Goal) { g.CustomProps = map[string]string{"plan": "pro"} },
	} {
		edited := goal
		edit(&edited)
		if got := define(first, edited, 1000); got.Since != 1000 || got.Print == first.Print {
			t.Errorf("%s without a new updated_at: %v, want since now", name, got)
		}
		edited.UpdatedAt = at(900)
		if got := define(first, edited, 1000); got.Since != 900 {
			t.Errorf("%s: since %d, want its update, 900", name, got.Since)
		}
	}
}
