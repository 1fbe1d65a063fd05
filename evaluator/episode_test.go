package evaluator

import (
	"testing"

	"plausible-webhooks/config/event"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// step is one evaluation: what was seen at a time, and the events expected.
type step struct {
	at    int64
	value int
	quiet bool // The condition may not fire: a drop with nothing before it.
	edit  func(*rule)
	gone  event.Reason // The trigger no longer applies.
	want  []string
}

// inShort is firings in short: type, number of the firing or reason, value.
func inShort(firings []firing) []string {
	var list []string
	for _, f := range firings {
		s := string(f.kind)
		if f.ended {
			s += " ended " + string(f.reason)
		} else {
			s += " " + string('0'+rune(f.episode.Firings))
		}
		list = append(list, s)
	}
	return list
}

func TestTransitionsOfATrafficTrigger(t *testing.T) {
	spike := rule{trigger: 1, webhook: 2, site: 3, kind: event.TrafficSpike, threshold: 10, window: 300, cooldown: 100, repeat: true, recovery: true, start: 1}
	with := func(edit func(*rule)) rule {
		r := spike
		edit(&r)
		return r
	}
	drop := with(func(r *rule) { r.kind, r.window = event.TrafficDrop, 43200 })
	for name, test := range map[string]struct {
		rule  rule
		steps []step
	}{
		"nothing holds": {spike, []step{{at: 1000, value: 9}, {at: 1005, value: 0}}},
		"fires at the threshold, once": {spike, []step{
			{at: 1000, value: 10, want: []string{"traffic.spike 1"}}, {at: 1005, value: 30}, {at: 1099, value: 30}}},
		"fires again after the cooldown": {spike, []step{
			{at: 1000, value: 10, want: []string{"traffic.spike 1"}}, {at: 1099, value: 11},
			{at: 1100, value: 12, want: []string{"traffic.spike 2"}}, {at: 1199, value: 12},
			{at: 1200, value: 12, want: []string{"traffic.spike 3"}}}},
		"without repeat once an episode": {with(func(r *rule) { r.repeat = false }), []step{
			{at: 1000, value: 10, want: []string{"traffic.spike 1"}}, {at: 1100, value: 12}, {at: 9100, value: 12},
			{at: 9200, value: 1}, {at: 9205, value: 1, want: []string{"traffic.spike ended recovered"}},
			{at: 9300, value: 12, want: []string{"traffic.spike 1"}}}},
		"recovery takes two evaluations": {spike, []step{
			{at: 1000, value: 10, want: []string{"traffic.spike 1"}}, {at: 1005, value: 9}, {at: 1010, value: 10},
			{at: 1015, value: 9}, {at: 1020, value: 8, want: []string{"traffic.spike ended recovered"}}, {at: 1025, value: 8}}},
		"no recovery told where not asked for": {with(func(r *rule) { r.recovery = false }), []step{
			{at: 1000, value: 10, want: []string{"traffic.spike 1"}}, {at: 1005, value: 9}, {at: 1010, value: 9}, {at: 1015, value: 9}}},
		"a new episode within the cooldown waits for it": {spike, []step{
			{at: 1000, value: 10, want: []string{"traffic.spike 1"}}, {at: 1005, value: 1},
			{at: 1010, value: 1, want: []string{"traffic.spike ended recovered"}},
			{at: 1050, value: 20}, {at: 1099, value: 20}, {at: 1100, value: 20, want: []string{"traffic.spike 1"}}}},
		"a quiet episode ends quietly": {spike, []step{
			{at: 1000, value: 10, want: []string{"traffic.spike 1"}}, {at: 1005, value: 1},
			{at: 1010, value: 1, want: []string{"traffic.spike ended recovered"}},
			{at: 1050, value: 20}, {at: 1055, value: 1}, {at: 1060, value: 1}, {at: 1200, value: 1}}},
		"cooldown zero fires at each evaluation": {with(func(r *rule) { r.cooldown = 0 }), []step{
			{at: 1000, value: 10, want: []string{"traffic.spike 1"}}, {at: 1005, value: 10, want: []string{"traffic.spike 2"}}}},
		"raised threshold ends as changed, at once": {spike, []step{
			{at: 1000, value: 10, want: []string{"traffic.spike 1"}},
			{at: 1005, value: 11, edit: func(r *rule) { r.threshold = 50 }, want: []string{"traffic.spike ended changed"}}}},
		"raised threshold and less traffic recovers": {spike, []step{
			{at: 1000, value: 10, want: []string{"traffic.spike 1"}}, {at: 1005, value: 3, edit: func(r *rule) { r.threshold = 50 }},
			{at: 1010, value: 3, want: []string{"traffic.spike ended recovered"}}}},
		"edited threshold that still holds keeps the episode": {spike, []step{
			{at: 1000, value: 40, want: []string{"traffic.spike 1"}}, {at: 1005, value: 40, edit: func(r *rule) { r.threshold = 20 }},
			{at: 1100, value: 40, want: []string{"traffic.spike 2"}}}},
		"edited cooldown applies to the running episode": {spike, []step{
			{at: 1000, value: 40, want: []string{"traffic.spike 1"}},
			{at: 1010, value: 40, edit: func(r *rule) { r.cooldown = 10 }, want: []string{"traffic.spike 2"}}}},
		"another window that no longer holds ends as changed": {spike, []step{
			{at: 1000, value: 10, want: []string{"traffic.spike 1"}},
			{at: 1005, value: 2, edit: func(r *rule) { r.window = 60 }, want: []string{"traffic.spike ended changed"}}}},
		"recovery asked for during the episode": {with(func(r *rule) { r.recovery = false }), []step{
			{at: 1000, value: 10, want: []string{"traffic.spike 1"}}, {at: 1005, value: 2, edit: func(r *rule) { r.recovery = true }},
			{at: 1010, value: 2, want: []string{"traffic.spike ended recovered"}}}},
		"enabled again starts anew": {spike, []step{
			{at: 1000, value: 10, want: []string{"traffic.spike 1"}},
			{at: 1005, value: 10, edit: func(r *rule) { r.start = 1004 }, want: []string{"traffic.spike ended changed", "traffic.spike 1"}}}},
		"another type starts anew": {spike, []step{
			{at: 1000, value: 10, want: []string{"traffic.spike 1"}},
			{at: 1005, value: 2, edit: func(r *rule) { r.kind, r.start = event.TrafficDrop, 1004 }, want: []string{"traffic.spike ended changed", "traffic.drop 1"}}}},
		"removed while firing": {spike, []step{
			{at: 1000, value: 10, want: []string{"traffic.spike 1"}},
			{at: 1005, gone: event.Removed, want: []string{"traffic.spike ended removed"}}, {at: 1010, gone: event.Removed}}},
		"disabled while quiet": {spike, []step{{at: 1000, value: 1}, {at: 1005, gone: event.Changed}}},
		"drop is strictly below": {drop, []step{
			{at: 1000, value: 10}, {at: 1005, value: 9, want: []string{"traffic.drop 1"}}, {at: 1010, value: 0},
			{at: 1015, value: 10}, {at: 1020, value: 12, want: []string{"traffic.drop ended recovered"}}}},
		"drop with nothing before it does not begin": {drop, []step{{at: 1000, quiet: true}, {at: 1005, quiet: true}}},
		"drop of a dead site is not told for ever": {drop, []step{
			{at: 1000, want: []string{"traffic.drop 1"}}, {at: 1100, want: []string{"traffic.drop 2"}},
			{at: 1200, quiet: true}, {at: 1205, quiet: true}, {at: 1300, value: 10},
			{at: 1305, value: 10, want: []string{"traffic.drop ended recovered"}}}},
		"lowered drop threshold ends as changed": {drop, []step{
			{at: 1000, value: 5, want: []string{"traffic.drop 1"}},
			{at: 1005, value: 5, edit: func(r *rule) { r.threshold = 3 }, want: []string{"traffic.drop ended changed"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			r, s := test.rule, conditionState{}
			for i, step := range test.steps {
				if step.edit != nil {
					step.edit(&r)
				}
				var firings []firing
				if step.gone != "" {
					s, firings = end(s, step.gone)
				} else {
					s, firings = next(s, r, subject{site: 3, domain: "example.com"}, observation{step.value, !step.quiet}, step.at)
				}
				if diff := cmp.Diff(step.want, inShort(firings)); diff != "" {
					t.Fatalf("step %d at %d (-want +got):\n%s", i, step.at, diff)
				}
			}
		})
	}
}

func TestAnEpisodeKeepsItsNamePeakAndBeginning(t *testing.T) {
	r := rule{trigger: 1, kind: event.TrafficSpike, threshold: 10, window: 300, cooldown: 100, repeat: true, recovery: true}
	s := conditionState{}
	var all []firing
	for _, seen := range []struct {
		at    int64
		value int
	}{{1000, 10}, {1050, 70}, {1100, 20}, {1105, 3}, {1110, 2}} {
		before, kept := s, s.Episode
		var copied episodeRun
		if kept != nil {
			copied = *kept
		}
		var firings []firing
		s, firings = next(s, r, subject{site: 3, domain: "example.com"}, observation{seen.value, true}, seen.at)
		if kept != nil && *before.Episode != copied {
			t.Fatalf("next changed the state it was given at %d", seen.at)
		}
		all = append(all, firings...)
	}
	if len(all) != 3 {
		t.Fatalf("got %d firings, want 3", len(all))
	}
	for i, f := range all {
		if f.episode.ID != all[0].episode.ID || f.episode.Started != 1000 {
			t.Errorf("firing %d: episode %s begun at %d; want %s at 1000", i, f.episode.ID, f.episode.Started, all[0].episode.ID)
		}
	}
	if got := all[2].episode; got.Peak != 70 || got.Firings != 2 {
		t.Errorf("end: peak %d, firings %d; want 70 and 2", got.Peak, got.Firings)
	}
	if id, err := uuid.Parse(all[0].episode.ID); err != nil || id.Version() != 7 || id.Variant() != uuid.RFC4122 {
		t.Errorf("episode id %q is no version 7 UUID (%v)", all[0].episode.ID, err)
	}
}
