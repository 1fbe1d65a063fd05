package settings

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"strings"
	"time"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/config/settings/chart"
	"plausible-webhooks/config/store"
)

// chartView is the look back that helps to choose a threshold.
type chartView struct {
	Problem string // Why there is no chart; then nothing else is set.

	Drawing template.HTML
	Unit    [2]string // One, and several.
	Extreme string
	Verdict string // How often it would have fired.
	Firings []fired
	More    int // Firings that are not listed.
	Others  []string
	Days    []chartDay
	Per     string // What a day's number is.
}

type fired struct {
	At    moment
	Value string
}

type chartDay struct {
	Date   string
	Value  string
	Firing string
}

const (
	chartWeek    = 7 * 24 * time.Hour
	chartPoints  = 30 * 24 // Of thirty days: an hour each.
	firingsShown = 10
)

// chartOf tries what the fields hold on the site's past. It notes what is
// wrong with them on the form, and returns nil then.
func (r *request) chartOf(ctx context.Context, f *form, fields triggerFields, format event.Format) (*chartView, error) {
	subject, spec, open, err := r.trialOf(ctx, f, fields)
	if err != nil || f.Bad() {
		return nil, err
	}
	if spec.Type.AboutGoal() && subject.Goal == nil {
		return &chartView{Problem: "Choose one goal to see its past: each goal is counted by itself."}, nil
	}
	trial := Trial{
		Subject: subject, Format: format, Since: r.now.Add(-trialPast).Truncate(time.Second), Points: chartPoints, Others: othersOf(spec, subject, open),
		Trigger: config.Trigger{
			Type: spec.Type, GoalID: spec.GoalID, Threshold: spec.Threshold, WindowSeconds: spec.WindowSeconds, CooldownSeconds: spec.CooldownSeconds,
			Repeat: !spec.Once, NotifyRecovery: spec.Recovery, Enabled: true,
		},
	}
	outlook, err := r.pages.trials.try(ctx, trial)
	switch {
	case errors.Is(err, errBusy):
		return &chartView{Problem: "Other charts are being drawn right now. Wait a few seconds, then try again."}, nil
	case errors.Is(err, errTooSlow):
		return &chartView{Problem: "Reading the last 30 days took longer than 10 seconds, so it was stopped. The command line has more patience: plausible-webhooks backtest."}, nil
	case err != nil && ctx.Err() != nil:
		return nil, err
	case err != nil:
		r.pages.options.Logger.Warn("no chart could be drawn", "site", r.visit.Site.ID, "error", err)
		return &chartView{Problem: "The statistics database does not answer right now, so there is no chart. You can save without it, or try again later."}, nil
	case outlook.Rows == 0 && outlook.Fired == 0:
		return &chartView{Problem: "Nothing was recorded in the last 30 days that could be drawn."}, nil
	}
	return r.drawn(spec, open, outlook), nil
}

// trialOf reads the fields. Open tells that no threshold is chosen yet: the
// past is shown without one.
func (r *request) trialOf(ctx context.Context, f *form, fields triggerFields) (subject store.Subject, spec store.TriggerSpec, open bool, err error) {
	fields.form = f
	if fields.Measured() && f.Value(fields.Prefix+"threshold") == "" && fields.About.Threshold(fields.Type) == 0 {
		open = true
		fields.form = newForm(f.values)
		fields.form.values.Set(fields.Prefix+"threshold", "1")
	}
	spec = fields.read()
	for _, name := range fields.form.Order {
		f.wrong(name, fields.form.Error(name))
	}
	if f.Bad() {
		return subject, spec, open, nil
	}
	subject, err = r.store.Subject(ctx, r.visit.Site.Domain, spec)
	err = f.take(err, func(field string) string {
		if field == store.FieldSite || field == "type" {
			return ""
		}
		return fields.Prefix + field
	})
	return subject, spec, open, err
}

// othersOf are thresholds worth knowing about beside the one chosen.
func othersOf(spec store.TriggerSpec, subject store.Subject, open bool) []int {
	threshold := cmp.Or(spec.Threshold, subject.Threshold)
	switch {
	case spec.Type == event.GoalCompleted || open:
		return nil
	case threshold == 1:
		return []int{2}
	}
	return []int{threshold / 2, 2 * threshold}
}

// drawn makes words and a drawing of what was found.
func (r *request) drawn(spec store.TriggerSpec, open bool, o Outlook) *chartView {
	v := &chartView{Unit: [2]string{"visitor", "visitors"}}
	if spec.Type.AboutGoal() {
		v.Unit = [2]string{"completion", "completions"}
	}
	view := r.view()
	from := later(o.Until.Add(-chartWeek), o.Since)
	picture := chart.Chart{Step: o.Step, From: from, Until: o.Until, Below: spec.Type == event.TrafficDrop, Zone: r.zone}
	for _, p := range o.Series {
		if p.At.Add(o.Step).After(from) {
			picture.Points = append(picture.Points, chart.Point{At: p.At, Value: p.Value})
		}
	}
	extreme, least := "The most", spec.Type == event.TrafficDrop
	if least {
		extreme = "The fewest"
	}
	v.Extreme = fmt.Sprintf("%s in the last 30 days: %s, %s.", extreme, v.count(o.Extreme.Value), view.At(o.Extreme.At).Text)
	v.Per = map[bool]string{true: "Fewest", false: "Most"}[least]
	if spec.Type == event.GoalCompleted {
		v.Per = "Completions"
	}
	if !open {
		picture.Threshold = o.Threshold
		v.verdict(view, o)
		for _, f := range o.Firings {
			picture.Marks = append(picture.Marks, f.At)
		}
		for _, other := range o.Others {
			v.Others = append(v.Others, "With "+number(other.Threshold)+" it "+wouldHave(other.Fired)+".")
		}
	} else {
		v.Verdict = "Enter a number above and look again to see how often it would have fired."
	}
	v.Days = daysOf(o, r.zone, spec.Type, open)
	picture.Title = fmt.Sprintf("%s of %s over the last week", capital(v.Unit[1]), r.visit.Site.Domain)
	picture.Desc = strings.TrimSpace(v.Extreme + " " + v.Verdict)
	v.Drawing = picture.SVG("pw-drawing")
	return v
}

func (v *chartView) count(n int) string { return plural(n, v.Unit[0], v.Unit[1]) }

func (v *chartView) verdict(view view, o Outlook) {
	v.Verdict = "It " + wouldHave(o.Fired) + " in the last 30 days"
	if o.Fired == 0 {
		v.Verdict += "."
		return
	}
	v.Verdict += ":"
	for i := len(o.Firings) - 1; i >= 0 && len(v.Firings) < firingsShown; i-- {
		v.Firings = append(v.Firings, fired{view.At(o.Firings[i].At), v.count(o.Firings[i].Value)})
	}
	v.More = o.Fired - len(v.Firings)
}

func wouldHave(n int) string {
	if n == 0 {
		return "would never have fired"
	}
	return "would have fired " + times(n)
}

func times(n int) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	default:
		return number(n) + " times"
	}
}

// daysOf is the drawing as numbers, the newest day first.
func daysOf(o Outlook, zone *time.Location, t event.Type, open bool) []chartDay {
	type sum struct{ value, fired int }
	days := map[string]*sum{}
	var order []string
	name := func(at time.Time) string { return at.In(zone).Format("Mon 2 Jan") }
	for _, p := range o.Series {
		day, ok := days[name(p.At)]
		switch {
		case !ok:
			day = &sum{value: p.Value}
			days[name(p.At)] = day
			order = append(order, name(p.At))
		case t == event.GoalCompleted:
			day.value += p.Value
		case t == event.TrafficDrop:
			day.value = min(day.value, p.Value)
		default:
			day.value = max(day.value, p.Value)
		}
	}
	for _, f := range o.Firings {
		if day, ok := days[name(f.At)]; ok {
			day.fired++
		}
	}
	var list []chartDay
	for i := len(order) - 1; i >= 0; i-- {
		day := days[order[i]]
		row := chartDay{order[i], number(day.value), times(day.fired)}
		if open {
			row.Firing = "–"
		}
		list = append(list, row)
	}
	return list
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
