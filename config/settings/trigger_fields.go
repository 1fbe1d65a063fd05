package settings

import (
	"fmt"
	"math"
	"strconv"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/store"
)

// triggerFields are the fields of one trigger, on a form of its own or among
// others.
type triggerFields struct {
	*form
	Type   event.Type
	Prefix string // Of the fields' names.
	About  store.About
	New    bool // The webhook itself is new: only what is needed is asked.
	Fixed  bool // The goal cannot be changed, for the trigger is stored.
	Format event.Format
	Chart  *chartView
}

// choiceTexts say what types are about.
var choiceTexts = map[event.Type]struct{ label, hint string }{
	event.TrafficSpike:  {"Traffic spike", "Many visitors are on the site at once."},
	event.TrafficDrop:   {"Traffic drop", "Hardly anybody comes any more."},
	event.GoalCompleted: {"Goal completed", "Each time that visitors complete a goal, with how many did."},
	event.GoalThreshold: {"Goal completed often", "A goal is completed so many times within a while."},
}

// Label and Hint say what the type is about.
func (t triggerFields) Label() string { return choiceTexts[t.Type].label }
func (t triggerFields) Hint() string  { return choiceTexts[t.Type].hint }

// On is the box that chooses the type.
func (t triggerFields) On() field { return t.Box(t.Prefix+"on", t.Label(), t.Hint()) }

// Measured tells whether the type has a threshold and a window.
func (t triggerFields) Measured() bool { return t.Type != event.GoalCompleted }

// AboutGoal tells whether it is about a goal.
func (t triggerFields) AboutGoal() bool { return t.Type.AboutGoal() }

// Ends tells whether it has episodes.
func (t triggerFields) Ends() bool { _, ends := t.Type.Ended(); return ends }

// Goal is the list of the site's goals.
func (t triggerFields) Goal() field {
	options := []option{{Label: "Any goal"}}
	for _, g := range t.About.Goals {
		options = append(options, option{Value: strconv.FormatInt(g.ID, 10), Label: g.Name})
	}
	return t.Select(t.Prefix+"goal", "Goal", "", options)
}

// Threshold is the number at which it fires.
func (t triggerFields) Threshold() field {
	label, hint := "Visitors", ""
	switch own := t.About.Threshold(t.Type); {
	case t.Type == event.GoalThreshold:
		label = "Completions, this many or more"
	case own > 0:
		hint = fmt.Sprintf("Leave it empty to follow this site’s %s, which is at %s.", notificationName(t.Type), number(own))
	default:
		hint = fmt.Sprintf("If left empty, it follows this site’s %s, which is switched off.", notificationName(t.Type))
	}
	switch t.Type {
	case event.TrafficSpike:
		label = "Visitors, this many or more"
	case event.TrafficDrop:
		label = "Visitors, fewer than"
	}
	return t.Field(t.Prefix+"threshold", label, hint)
}

// Window is the list of windows.
func (t triggerFields) Window() field {
	var options []option
	standard := defaultWindow(t.Type)
	options = append(options, option{Label: capital(span(standard)) + " (usual)"})
	for _, w := range store.Windows() {
		if w != standard {
			options = append(options, option{Value: strconv.Itoa(w), Label: capital(span(w))})
		}
	}
	return t.Select(t.Prefix+"window", "Counted over the last", "", options)
}

// cooldowns are how long a trigger may be told to be quiet.
var cooldowns = []int{0, 300, 900, 1800, 3600, 10800, 21600, 43200, 86400, 604800}

// Cooldown is the list of cooldowns, with the present one among them.
func (t triggerFields) Cooldown() field {
	standard := defaultCooldown(t.Type, t.Format)
	text := func(seconds int) string {
		if seconds == 0 {
			return "Each time"
		}
		return "At most once in " + span(seconds)
	}
	options := []option{{Label: text(standard) + " (usual)"}}
	offered := cooldowns
	if present, err := strconv.Atoi(t.Value(t.Prefix + "cooldown")); err == nil && present >= 0 && !contains(offered, present) {
		offered = append([]int{present}, offered...)
	}
	for _, c := range offered {
		options = append(options, option{Value: strconv.Itoa(c), Label: text(c)})
	}
	hint := "While it goes on, or when it happens again soon."
	if t.Type == event.GoalCompleted {
		hint = "Completions in between are counted together and told with the next."
	}
	return t.Select(t.Prefix+"cooldown", "How often it may fire", hint, options)
}

// Recovery, Once and Enabled are boxes.
func (t triggerFields) Recovery() field {
	return t.Box(t.Prefix+"recovery", "Also tell when it is over", "")
}

// Once is the box of firing once an episode.
func (t triggerFields) Once() field {
	return t.Box(t.Prefix+"once", "Fire once, then not again until it is over", "")
}

// Enabled is the box that switches the trigger on.
func (t triggerFields) Enabled() field {
	return t.Box(t.Prefix+"enabled", "This trigger is on", "")
}

// read takes the trigger off the form and notes what is wrong.
func (t triggerFields) read() store.TriggerSpec {
	spec := store.TriggerSpec{Type: t.Type}
	if t.AboutGoal() {
		if text := t.Value(t.Prefix + "goal"); text != "" {
			id, ok := parseID(text)
			if _, known := t.About.GoalName(id); !ok || !known {
				t.wrong(t.Prefix+"goal", "This site has no such goal any more. Choose one of the list.")
			}
			spec.GoalID = id
		}
	}
	if t.Measured() {
		unit := "visitors"
		if t.AboutGoal() {
			unit = "completions"
		}
		spec.Threshold = t.whole(t.Prefix+"threshold", unit)
		if t.Type.NeedsThreshold() && t.Value(t.Prefix+"threshold") == "" {
			t.wrong(t.Prefix+"threshold", "Enter how many completions make it fire.")
		}
		if t.lacksThreshold() {
			t.wrong(t.Prefix+"threshold", "Enter a number of visitors, or switch the "+notificationName(t.Type)+" on in Plausible first, so that there is one to follow.")
		}
		if spec.WindowSeconds, _ = t.listed(t.Prefix + "window"); spec.WindowSeconds != 0 && !contains(store.Windows(), spec.WindowSeconds) {
			t.wrong(t.Prefix+"window", "Choose one of the list.")
		}
	}
	if t.Ends() {
		spec.Recovery, spec.Once = t.Has(t.Prefix+"recovery"), t.Has(t.Prefix+"once")
	}
	if cooldown, given := t.listed(t.Prefix + "cooldown"); given && cooldown <= math.MaxInt32 {
		spec.CooldownSeconds = &cooldown
	}
	return spec
}

// lacksThreshold tells that a new trigger would follow a notification that
// there is not. One that is stored so may stay: its notification was on once.
func (t triggerFields) lacksThreshold() bool {
	return !t.Type.AboutGoal() && !t.Fixed && t.Value(t.Prefix+"threshold") == "" && t.About.Threshold(t.Type) == 0
}

func contains(list []int, n int) bool {
	for _, item := range list {
		if item == n {
			return true
		}
	}
	return false
}
