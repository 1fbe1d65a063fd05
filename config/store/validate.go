package store

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/secret"
	"plausible-webhooks/config/target"
)

// MaxNameLength is the longest name of a webhook, in characters. Names stand
// in payloads and in tables.
const MaxNameLength = 100

// Windows are the evaluation windows that a trigger with a threshold may have, in
// seconds (deploy/REFERENCE.md section 3).
func Windows() []int { return []int{60, 300, 900, 1800, 3600, 10800, 21600, 43200, 86400} }

// checkURL returns the URL in the form that is stored.
func checkURL(raw string, rules target.Rules, found *mistakes) string {
	url, err := target.Parse(strings.TrimSpace(raw), rules)
	if err != nil {
		found.add(FieldURL, "%v", err)
		return ""
	}
	return url.Reveal()
}

func checkName(raw string, found *mistakes) string {
	name := strings.TrimSpace(raw)
	switch {
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		found.add(FieldName, "it holds a character that cannot be shown; use one line of plain text")
	case utf8.RuneCountInString(name) > MaxNameLength:
		found.add(FieldName, "it has %d characters, want at most %d", utf8.RuneCountInString(name), MaxNameLength)
	}
	return name
}

func checkFormat(format event.Format, found *mistakes) event.Format {
	if format == "" {
		return event.Standard
	}
	if _, err := event.ParseFormat(string(format)); err != nil {
		found.add(FieldFormat, "%v", err)
	}
	return format
}

func checkSecret(text secret.Text, found *mistakes) {
	if text.Empty() {
		return
	}
	if err := secret.Validate(text); err != nil {
		found.add(FieldSecret, "%v", err)
	}
}

// checkTriggers reports what is wrong with each spec by itself, and pairs that
// cannot stand beside each other. Whether goals exist is another question.
func checkTriggers(specs []TriggerSpec, found *mistakes) {
	type identity struct {
		typ  event.Type
		name string
		id   int64
	}
	seen := make(map[identity]int)
	for i, spec := range specs {
		checkTrigger(i, spec, found)
		id := identity{spec.Type, strings.TrimSpace(spec.Goal), spec.GoalID}
		if first, ok := seen[id]; ok {
			found.add(TriggerField(i, "type"), "trigger %d has the same type and goal; a webhook has one of each", first+1)
			continue
		}
		seen[id] = i
	}
}

func checkTrigger(i int, spec TriggerSpec, found *mistakes) {
	if !spec.Type.Firing() {
		found.add(TriggerField(i, "type"), "%q is none of %s", spec.Type, joined(event.Firing()))
		return
	}
	if !spec.Type.AboutGoal() && !spec.EveryGoal() {
		found.add(TriggerField(i, "goal"), "%s is about a site's traffic and takes no goal; use %s or %s", spec.Type, event.GoalCompleted, event.GoalThreshold)
	}
	if _, episodes := spec.Type.Ended(); !episodes {
		for _, only := range []struct {
			field string
			set   bool
		}{{"threshold", spec.Threshold != 0}, {"window", spec.WindowSeconds != 0}, {"recovery", spec.Recovery}, {"once", spec.Once}} {
			if only.set {
				found.add(TriggerField(i, only.field), "%s tells of every completion and has none; use %s", spec.Type, event.GoalThreshold)
			}
		}
	}
	switch {
	case spec.Type.NeedsThreshold() && spec.Threshold == 0:
		found.add(TriggerField(i, "threshold"), "%s needs one: how many completions within the window make it fire, from 1 to %d", spec.Type, math.MaxInt32)
	case spec.Threshold < 0 || spec.Threshold > math.MaxInt32:
		found.add(TriggerField(i, "threshold"), "%d is not a whole number from 1 to %d", spec.Threshold, math.MaxInt32)
	}
	if spec.WindowSeconds != 0 && !slices.Contains(Windows(), spec.WindowSeconds) {
		found.add(TriggerField(i, "window"), "%d seconds is none of %s", spec.WindowSeconds, joined(Windows()))
	}
	if c := spec.CooldownSeconds; c != nil && (*c < 0 || *c > math.MaxInt32) {
		found.add(TriggerField(i, "cooldown"), "%d is not a number of seconds from 0 to %d", *c, math.MaxInt32)
	}
}

func joined[T any](items []T) string {
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = fmt.Sprint(item)
	}
	return strings.Join(texts, ", ")
}
