package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"plausible-webhooks/config"
	"plausible-webhooks/config/event"
	"plausible-webhooks/evaluator"
)

const (
	// shownFirings is how many firings people see; JSON has them all.
	shownFirings = 20
	// sourceWidth keeps the name of a source within a line.
	sourceWidth = 24
	// shortestEvent is what is left of an event at least, however narrow the
	// terminal.
	shortestEvent = 24
	chartHeight   = 8
)

// print tells a trial for people.
func (t trial) print(p program) {
	h := t.history
	fmt.Fprintf(p.stdout, "%s\n\n%s", wrap(t.sentence(p), p.terminalColumns()), t.chart(p))
	fmt.Fprintf(p.stdout, "\n%s\n%s\n", t.extreme(p), t.howEvaluated())
	if list := t.firings(p, p.terminalColumns()); len(list) > 1 {
		fmt.Fprintln(p.stdout)
		if shown := len(list) - 1; shown < len(h.Firings)+h.Omitted {
			fmt.Fprintf(p.stdout, "The newest %d of %s (--json lists more):\n\n", shown, grouped(len(h.Firings)+h.Omitted))
		}
		table(p.stdout, list)
	}
	if hint := thresholdHint(h); hint != "" {
		fmt.Fprintf(p.stdout, "\n%s\n", hint)
	}
}

// sentence is the answer in one.
func (t trial) sentence(p program) string {
	h := t.history
	within := " in " + words(h.WindowSeconds)
	var condition string
	switch h.Type {
	case event.TrafficSpike:
		condition = "at least " + visitorsOf(h.Threshold) + within
	case event.TrafficDrop:
		condition = "fewer than " + visitorsOf(h.Threshold) + within
	case event.GoalThreshold:
		condition = fmt.Sprintf("goal %q completed at least %s%s", t.goal().DisplayName, often(h.Threshold), within)
		if t.goal().Kind() == config.GoalScroll {
			condition = fmt.Sprintf("goal %q reached by at least %s%s", t.goal().DisplayName, visitorsOf(h.Threshold), within)
		}
	default:
		verb := "completed"
		if t.goal().Kind() == config.GoalScroll {
			verb = "reached"
		}
		condition = fmt.Sprintf("each time goal %q is %s", t.goal().DisplayName, verb)
		if h.CooldownSeconds > 0 {
			condition += ", gathered for " + words(h.CooldownSeconds)
		}
	}
	would := "would have fired " + often(h.Fired)
	if h.Fired == 0 {
		would = "would never have fired"
	}
	return oneLine(fmt.Sprintf("%s on %s, %s, since %s: %s.", h.Type, t.subject.Site.Domain, condition, t.since(p), would))
}

// since is where the history begins, to the day where that is exact enough.
func (t trial) since(p program) string {
	h := t.history
	layout := "2006-01-02"
	if h.Until.Sub(h.Since) < 7*24*time.Hour {
		layout = "2006-01-02 15:04"
	}
	text := h.Since.In(p.local).Format(layout)
	if t.cut() {
		text += " (its statistics begin then)"
	}
	return text
}

// cut reports whether the history begins where the site's statistics do.
func (t trial) cut() bool { return t.history.Since.Unix() == t.subject.Site.NativeStatsStartAt.Unix() }

func (t trial) chart(p program) chart {
	h := t.history
	c := chart{
		threshold: h.Threshold, from: h.Since, until: h.Until, local: p.local, height: chartHeight, ascii: !p.unicode(), colour: p.colour(),
	}
	for _, point := range h.Series {
		c.values = append(c.values, point.Value)
	}
	switch h.Type {
	case event.GoalCompleted:
	case event.TrafficDrop:
		c.hit = func(value int) bool { return value < h.Threshold }
	default:
		c.hit = func(value int) bool { return value >= h.Threshold }
	}
	return c
}

// extreme names the value that stands out.
func (t trial) extreme(p program) string {
	h := t.history
	at := p.clock(h.Extreme.At)
	switch {
	case h.Type == event.TrafficSpike:
		return fmt.Sprintf("Peak: %s in %s, %s.", visitorsOf(h.Extreme.Value), words(h.WindowSeconds), at)
	case h.Type == event.TrafficDrop:
		return fmt.Sprintf("Fewest: %s in %s, %s.", visitorsOf(h.Extreme.Value), words(h.WindowSeconds), at)
	case h.Type == event.GoalThreshold:
		return fmt.Sprintf("Peak: %s in %s, %s.", t.completions(h.Extreme.Value), words(h.WindowSeconds), at)
	}
	return fmt.Sprintf("Most: %s in the %s from %s.", t.completions(h.Extreme.Value), short(h.SeriesStep), at)
}

// completions counts what the goal counts.
func (t trial) completions(n int) string {
	if t.goal().Kind() == config.GoalScroll {
		return visitorsOf(n)
	}
	return countedIn(n, "completion", "completions")
}

// howEvaluated says what a column is and how the trigger was evaluated.
func (t trial) howEvaluated() string {
	h := t.history
	column := map[event.Type]string{event.TrafficDrop: "lowest value", event.GoalCompleted: "sum"}[h.Type]
	return fmt.Sprintf("A column is the %s of %s. Evaluated every %s; cooldown %s.",
		cmp.Or(column, "highest value"), short(h.SeriesStep), short(h.Interval), short(time.Duration(h.CooldownSeconds)*time.Second))
}

// firings are the rows of the list, its heading first. In a terminal (columns
// not zero) events are cut to leave each its line: their ends say least.
func (t trial) firings(p program, columns int) [][]string {
	newest := t.history.Firings[max(len(t.history.Firings)-shownFirings, 0):]
	rows := [][]string{{"TIME", "EVENT", "TOP SOURCE"}}
	if t.history.Type == event.TrafficDrop {
		rows[0] = rows[0][:2]
	}
	sources := 0
	for _, f := range newest {
		row := []string{p.clock(f.At), event.Headline(f.Event), topSource(f.Event)}[:len(rows[0])]
		if len(row) > 2 {
			sources = max(sources, len("TOP SOURCE")+2, utf8.RuneCountInString(row[2])+2)
		}
		rows = append(rows, row)
	}
	if columns == 0 {
		return rows
	}
	for _, row := range rows {
		row[1] = cut(row[1], max(columns-len(time.DateTime)-2-sources, shortestEvent))
	}
	return rows
}

// wrap breaks a text between words, to lines of so many characters; zero: not
// at all.
func wrap(text string, columns int) string {
	if columns == 0 {
		return text
	}
	var out strings.Builder
	line := 0
	for i, word := range strings.Fields(text) {
		length := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case line+1+length > columns:
			out.WriteByte('\n')
			line = 0
		default:
			out.WriteByte(' ')
			line++
		}
		out.WriteString(word)
		line += length
	}
	return out.String()
}

// cut shortens a text to so many characters.
func cut(text string, most int) string {
	if characters := []rune(text); len(characters) > most {
		return string(characters[:most-1]) + "…"
	}
	return text
}

func topSource(e event.Event) string {
	var sources []event.Count
	switch data := e.Data.(type) {
	case event.SpikeData:
		sources = data.TopSources
	case event.GoalThresholdData:
		sources = data.TopSources
	case event.GoalData:
		sources = data.TopSources
	}
	if len(sources) == 0 {
		return ""
	}
	return fmt.Sprintf("%s (%s)", cut(sources[0].Name, sourceWidth), grouped(sources[0].Visitors))
}

// thresholdHint tells what other thresholds would have done.
func thresholdHint(h evaluator.History) string {
	others := slices.Clone(h.Others)
	slices.SortStableFunc(others, func(a, b evaluator.Outcome) int { return cmp.Compare(b.Fired, a.Fired) })
	switch {
	case len(others) == 0:
		return ""
	case others[0].Fired == 0:
		return fmt.Sprintf("Threshold %s would not have fired either.", grouped(others[0].Threshold))
	}
	hint := fmt.Sprintf("Threshold %s would have fired %s", grouped(others[0].Threshold), often(others[0].Fired))
	for _, o := range others[1:] {
		hint += fmt.Sprintf(", threshold %s %s", grouped(o.Threshold), often(o.Fired))
	}
	return hint + "."
}

func often(n int) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return grouped(n) + " times"
}

func visitorsOf(n int) string { return countedIn(n, "visitor", "visitors") }

// countedIn is counted for numbers that may be large.
func countedIn(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + many
}

// words writes seconds in the largest unit that is exact.
func words(seconds int) string {
	switch {
	case seconds%3600 == 0:
		return counted(seconds/3600, "hour", "hours")
	case seconds%60 == 0:
		return counted(seconds/60, "minute", "minutes")
	}
	return counted(seconds, "second", "seconds")
}

// short writes a duration in its two largest units: 10h36m, 5s.
func short(d time.Duration) string {
	d = d.Round(time.Second)
	hours, minutes, seconds := int(d/time.Hour), int(d%time.Hour/time.Minute), int(d%time.Minute/time.Second)
	switch {
	case hours > 0 && minutes > 0:
		return fmt.Sprintf("%dh%dm", hours, minutes)
	case hours > 0:
		return fmt.Sprintf("%dh", hours)
	case minutes > 0 && seconds > 0:
		return fmt.Sprintf("%dm%ds", minutes, seconds)
	case minutes > 0:
		return fmt.Sprintf("%dm", minutes)
	}
	return fmt.Sprintf("%ds", seconds)
}
