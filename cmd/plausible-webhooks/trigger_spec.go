package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"plausible-webhooks/config/event"
	"plausible-webhooks/config/store"
)

// triggerFlag is the value of --trigger:
// TYPE[,goal=NAME][,threshold=N][,window=S][,cooldown=S][,recovery][,once].
type triggerFlag store.TriggerSpec

const triggerHelp = `A trigger is written TYPE[,goal=NAME][,threshold=N][,window=S][,cooldown=S][,recovery][,once]:

    TYPE         traffic.spike, traffic.drop, goal.completed (each time a goal
                 is completed) or goal.threshold (N times within the window)
    goal=NAME    the goal's name in Plausible; else every goal of the site
    threshold=N  visitors; else that of the site's own notification.
                 For goal.threshold: completions, always needed
    window=S     seconds, or 5m, 12h; else 5m for spikes, 12h for drops,
                 1h for goal.threshold
    cooldown=S   seconds, or 30m, 12h, until it may fire again
    recovery     tell when it is over, too; not for goal.completed
    once         fire once until it is over; not for goal.completed

A goal's name that holds a comma is quoted, and a quote in it doubled: goal="Paid, yearly".`

// UnmarshalText implements encoding.TextUnmarshaler for kong. It reads the
// words; whether they make a trigger is the store's to say.
func (t *triggerFlag) UnmarshalText(text []byte) error {
	words, err := splitWords(string(text))
	if err != nil {
		return err
	}
	spec := store.TriggerSpec{Type: event.Type(words[0])}
	if !spec.Type.Firing() {
		return fmt.Errorf("a trigger begins with its type, and %q is none of %s", words[0], firingTypes())
	}
	seen := make(map[string]bool)
	for _, word := range words[1:] {
		name, value, hasValue := strings.Cut(word, "=")
		if seen[name] {
			return fmt.Errorf("%s is given twice", name)
		}
		seen[name] = true
		if err := setWord(&spec, name, value, hasValue); err != nil {
			return err
		}
	}
	*t = triggerFlag(spec)
	return nil
}

func firingTypes() string {
	var names []string
	for _, typ := range event.Firing() {
		names = append(names, string(typ))
	}
	return strings.Join(names, ", ")
}

func setWord(spec *store.TriggerSpec, name, value string, hasValue bool) (err error) {
	switch name {
	case "recovery", "once":
		if hasValue {
			return fmt.Errorf("%s takes no value", name)
		}
		spec.Recovery = spec.Recovery || name == "recovery"
		spec.Once = spec.Once || name == "once"
		return nil
	case "goal", "threshold", "window", "cooldown":
	default:
		return fmt.Errorf("%q is not known; use goal=, threshold=, window=, cooldown=, recovery or once (quote a goal's name that holds a comma: goal=\"Paid, yearly\")", name)
	}
	if value == "" {
		return fmt.Errorf("%s needs a value, as in %s=…", name, name)
	}
	switch name {
	case "goal":
		spec.Goal = value
	case "threshold":
		if spec.Threshold, err = strconv.Atoi(value); err != nil || spec.Threshold < 1 {
			return fmt.Errorf("threshold: %q is not a whole number of at least 1", value)
		}
	case "window":
		if spec.WindowSeconds, err = seconds(value); err != nil || spec.WindowSeconds == 0 {
			return fmt.Errorf("window: %q is not a time such as 300 or 5m", value)
		}
	case "cooldown":
		cooldown, err := seconds(value)
		if err != nil {
			return fmt.Errorf("cooldown: %q is not a time such as 0, 1800 or 30m", value)
		}
		spec.CooldownSeconds = &cooldown
	}
	return nil
}

var errNotSeconds = errors.New("not a whole number of seconds")

// seconds reads "300" and "5m" alike.
func seconds(text string) (int, error) {
	if n, err := strconv.Atoi(text); err == nil {
		if n < 0 {
			return 0, errNotSeconds
		}
		return n, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d%time.Second != 0 {
		return 0, errNotSeconds
	}
	return int(d / time.Second), nil
}

// splitWords splits at commas outside double quotes, and takes the quotes off;
// a doubled quote inside them is one.
func splitWords(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	quoted := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '"' && quoted && i+1 < len(text) && text[i+1] == '"':
			word.WriteByte(c)
			i++
		case c == '"' && (quoted || strings.HasSuffix(word.String(), "=")):
			quoted = !quoted
		case c == ',' && !quoted:
			words = append(words, strings.TrimSpace(word.String()))
			word.Reset()
		default:
			word.WriteByte(c)
		}
	}
	if quoted {
		return nil, errors.New("a quote is opened and never closed")
	}
	return append(words, strings.TrimSpace(word.String())), nil
}

func specs(flags []triggerFlag) []store.TriggerSpec {
	all := make([]store.TriggerSpec, len(flags))
	for i, flag := range flags {
		all[i] = store.TriggerSpec(flag)
	}
	return all
}

// flagOf names the flag that a field of the store was entered by. Triggers are
// counted from one, as people do.
func flagOf(field string) string {
	var n int
	var rest string
	if _, err := fmt.Sscanf(field, store.FieldTrigger+"[%d].%s", &n, &rest); err == nil {
		return fmt.Sprintf("--trigger (number %d), %s", n+1, rest)
	}
	if field == store.FieldTrigger {
		return "--trigger"
	}
	if flag, ok := headerFlagOf(field); ok {
		return flag
	}
	if strings.HasPrefix(field, "drop") {
		return "--remove-trigger"
	}
	switch field {
	case store.FieldSecret:
		return "--secret-file"
	case "id":
		return "id"
	}
	return "--" + field
}
